"""The embedded AWS: MiniStack on loopback, over TLS, with IAM enforced and its state kept in the project's home.

Nothing here knows Podium's template: the real SAM CLI deploys to it as it deploys to AWS.
"""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

from podium.errors import ConsoleError
from podium.processes import who_listens
from podium.project import CA_BUNDLE, HOME, LOGS, REGION, TOOLS, LocalStack, port_is_free
from training.files import write_atomically

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 120.0  # it writes its state at its end; killed before that, it loses all changes since its start
_PID_FILE = HOME / "emulator.pid"


def is_running(local: LocalStack) -> bool:
    """Whether our emulator answers on its port."""
    return _running() is not None and _answers(local)


def start(local: LocalStack, *, on_wait: Callable[[float], None] = lambda _: None) -> None:
    """Start the emulator, detached from this terminal, and wait until it answers.

    Raises ConsoleError when its port is taken or it does not come up; the log says why.
    """
    if _running() is not None and _answers_within(local, START_TIMEOUT_S, on_wait):
        return  # a busy one may answer late: restarting it would stop its functions' work, too
    stop()
    if not port_is_free(local.emulator_port):
        raise ConsoleError(
            f"port {local.emulator_port} is taken by {who_listens(local.emulator_port)}, and the stack's queues have it in "
            f"their URLs. Stop it, or start afresh on another port with `podium down --delete-data`."
        )
    _make_certificate()
    for folder in ("emulator/state", "emulator/s3", "emulator/tmp"):
        (HOME / folder).mkdir(parents=True, exist_ok=True)
    forget_stream_positions(HOME / "emulator" / "state" / "lambda.json")
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "emulator.log").open("ab") as log:
        process = subprocess.Popen(
            [TOOLS / "ministack"],
            env=_server_environment(local),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    write_atomically(str(process.pid), _PID_FILE)
    if not _answers_within(local, START_TIMEOUT_S, on_wait, process.poll):
        stop()
        raise ConsoleError(f"the embedded AWS did not start; see {LOGS / 'emulator.log'}")


def stop() -> bool:
    """Stop the emulator and wait until it has written its state; False when none was running."""
    process = _running()
    _PID_FILE.unlink(missing_ok=True)
    if process is None:
        return False
    functions = process.children(recursive=True)
    process.terminate()
    for function in functions:  # idle ones hold TLS connections that the emulator would wait 30 s for
        with contextlib.suppress(psutil.NoSuchProcess):
            function.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()
    return True


def forget_stream_positions(state: Path) -> None:
    """Let the mappings read streams from their beginning.

    MiniStack 1.5.33 keeps a mapping's position in a DynamoDB stream, and not the stream: after a restart it would skip as
    many new records as it had read before.
    """
    if not state.exists():
        return
    document = json.loads(state.read_text())
    if document.get("payload", {}).pop("dynamodb_stream_positions", None) is not None:
        write_atomically(json.dumps(document), state)


def _server_environment(local: LocalStack) -> dict[str, str]:
    """The emulator's settings; the functions that it runs inherit the rest of this environment."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PODIUM_"))}
    return inherited | {
        "PATH": f"{TOOLS}{os.pathsep}{inherited.get('PATH', '')}",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(local.emulator_port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "USE_SSL": "1",  # the template's buckets and queues refuse anything but TLS
        "MINISTACK_SSL_CERT": str(HOME / "tls" / "server.pem"),
        "MINISTACK_SSL_KEY": str(HOME / "tls" / "server-key.pem"),
        "AWS_CA_BUNDLE": str(CA_BUNDLE),
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(HOME / "emulator" / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(HOME / "emulator" / "s3"),
        "TMPDIR": str(HOME / "emulator" / "tmp"),
        "IOT_MTLS_ENABLED": "0",  # its MQTT listener would bind every interface
        "SFTP_ENABLED": "0",
    }


def _make_certificate() -> None:
    """Make a certificate authority in this home, and a certificate for loopback signed by it."""
    if CA_BUNDLE.exists():
        return
    import trustme

    CA_BUNDLE.parent.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    key = CA_BUNDLE.parent / "server-key.pem"
    key.touch(mode=0o600)
    server.private_key_pem.write_to_path(str(key))
    (CA_BUNDLE.parent / "server.pem").write_bytes(server.cert_chain_pems[0].bytes() + authority.cert_pem.bytes())
    authority.cert_pem.write_to_path(str(CA_BUNDLE))


def _answers_within(
    local: LocalStack,
    seconds: float,
    on_wait: Callable[[float], None],
    ended: Callable[[], int | None] = lambda: None,
) -> bool:
    """Whether it answers before the time is up or its process has ended."""
    began = time.monotonic()
    while not _answers(local):
        waited = time.monotonic() - began
        if waited > seconds or ended() is not None or _running() is None:
            return False
        on_wait(waited)
        time.sleep(0.1)
    return True


def _answers(local: LocalStack) -> bool:
    if not CA_BUNDLE.exists():
        return False
    try:
        with urllib.request.urlopen(  # noqa: S310 - the URL is our own loopback address
            f"{local.endpoint_url}/_ministack/health",
            timeout=2,
            context=ssl.create_default_context(cafile=str(CA_BUNDLE)),
        ) as response:
            return "services" in json.load(response)
    except (OSError, ValueError):
        return False


def _running() -> psutil.Process | None:
    """Our emulator's process; None if its number belongs to another program by now."""
    if not _PID_FILE.exists():
        return None
    try:
        process = psutil.Process(int(_PID_FILE.read_text()))
        return process if any("ministack" in part for part in process.cmdline()) else None
    except psutil.Error:
        return None
