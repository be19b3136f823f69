"""The embedded AWS: MiniStack on loopback, over TLS, with IAM enforced and its state kept in the project's home.

It runs behind a door (`front`) that refuses whatever is not signed by a key of this stack.
Nothing here knows Podium's template: the real SAM CLI deploys to it as it deploys to AWS.
"""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
import time
from collections.abc import Callable

import psutil

from podium.errors import ConsoleError
from podium.local.certificate import CERTIFICATE, KEY, make_certificate
from podium.local.processes import find_process, process_of
from podium.local.state import forget_stream_positions, keep_copy
from podium.loopback import request_here, without_proxy
from podium.processes import who_listens
from podium.project import ACCOUNT, CA_BUNDLE, HOME, LOGS, REGION, ROOT, TOOLS, LocalStack, port_is_free
from training.files import write_atomically

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 120.0  # it writes its state at its end; killed before that, it loses all changes since its start
FRONT = "podium.local.front"
HEALTH_PATH = "/_podium/health"  # of the door; it needs no signature
FOLDER = HOME / "emulator"
STATE = FOLDER / "state"
BUCKETS = FOLDER / "s3"
COPIES = FOLDER / "state-copy"  # of the last state that was whole
RUNNING = FOLDER / "running"  # there while it runs, and after it was killed
_PID_FILE = HOME / "emulator.pid"


def is_running(local: LocalStack) -> bool:
    """Whether our emulator answers on its port, and knows the key that clients have."""
    return _has_key(local) and answers(local)


def has_process() -> bool:
    """Whether our emulator is alive; a busy one may answer late."""
    return _running() is not None


def start(local: LocalStack, *, on_wait: Callable[[float], None] = lambda _: None) -> None:
    """Start the emulator, detached from this terminal, and wait until it answers.

    Raises ConsoleError when its port is taken or it does not come up; the log says why.
    """
    renewed = make_certificate()
    if not renewed and _has_key(local) and _answers_within(local, START_TIMEOUT_S, on_wait):
        return  # a busy one may answer late: restarting it would stop its functions' work, too
    stop()
    if not port_is_free(local.emulator_port):
        raise ConsoleError(
            f"port {local.emulator_port} is taken by {who_listens(local.emulator_port)}, and the stack's queues have it in "
            f"their URLs. Stop it, or start afresh on another port with `podium down --delete-data`."
        )
    for folder in (STATE, BUCKETS, FOLDER / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    keep_copy(STATE, COPIES)
    forget_stream_positions(STATE / "lambda.json")
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "emulator.log").open("ab") as log:
        process = subprocess.Popen(
            [TOOLS / "python", "-m", FRONT, HOME],  # the home tells it from the emulator of another one
            cwd=ROOT,
            env=server_environment(local),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )
    write_atomically(str(process.pid), _PID_FILE, private=True)
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
    keep_copy(STATE, COPIES)
    return True


def save() -> None:
    """Have the emulator write its state now: killed later, it has lost only what came after."""
    if (process := _running()) is not None:
        process.send_signal(signal.SIGUSR1)


def was_killed() -> bool:
    """Whether the last emulator ended without writing its state; false while one runs."""
    return RUNNING.exists() and _running() is None


def server_environment(local: LocalStack) -> dict[str, str]:
    """The emulator's settings; the functions that it runs inherit the rest of this environment."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PODIUM_"))}
    return (
        inherited
        | without_proxy(inherited)
        | {
            "PATH": f"{TOOLS}{os.pathsep}{inherited.get('PATH', '')}",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(local.emulator_port),
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "USE_SSL": "1",  # the template's buckets and queues refuse anything but TLS
            "MINISTACK_SSL_CERT": str(CERTIFICATE),
            "MINISTACK_SSL_KEY": str(KEY),
            "AWS_CA_BUNDLE": str(CA_BUNDLE),
            "AWS_ACCESS_KEY_ID": ACCOUNT,  # root's keys; a function gets those of its role instead
            "AWS_SECRET_ACCESS_KEY": local.secret,
            "AUTH": "true",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(STATE),
            "FRONT_RUNNING_FILE": str(RUNNING),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(BUCKETS),
            "TMPDIR": str(FOLDER / "tmp"),
            "IOT_MTLS_ENABLED": "0",  # its MQTT listener would bind every interface
            "SFTP_ENABLED": "0",
        }
    )


def _answers_within(
    local: LocalStack,
    seconds: float,
    on_wait: Callable[[float], None],
    ended: Callable[[], int | None] = lambda: None,
) -> bool:
    """Whether it answers before the time is up or its process has ended."""
    began = time.monotonic()
    while not answers(local):
        waited = time.monotonic() - began
        if waited > seconds or ended() is not None or _running() is None:
            return False
        on_wait(waited)
        time.sleep(0.1)
    return True


def answers(local: LocalStack) -> bool:
    """Whether it answers at all, and now."""
    if not CA_BUNDLE.exists():
        return False
    try:
        tls = ssl.create_default_context(cafile=str(CA_BUNDLE))
        with request_here(f"{local.endpoint_url}{HEALTH_PATH}", timeout_s=2, tls=tls) as response:
            return response.status == 200
    except OSError:
        return False


def _has_key(local: LocalStack) -> bool:
    process = _running()
    with contextlib.suppress(psutil.NoSuchProcess):
        return process is not None and process.environ().get("AWS_SECRET_ACCESS_KEY") == local.secret
    return False


def _running() -> psutil.Process | None:
    """Our emulator's process; None if its number belongs to another program by now."""
    return process_of(_PID_FILE, FRONT, str(HOME)) or find_process("-m", FRONT, str(HOME))
