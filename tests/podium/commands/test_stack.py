"""`podium deploy --stack` asks before AWS is changed, on a terminal; nobody here can answer for AWS but this test's own STS."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

CALLER = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::210987654321:user/me</Arn><UserId>U</UserId><Account>210987654321</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""


class StsServer(ThreadingHTTPServer):
    """A server on loopback, and what else happens at a request."""

    on_request: Callable[[], None] = staticmethod(lambda: None)


class Sts(BaseHTTPRequestHandler):
    """Answers every request as GetCallerIdentity."""

    server: StsServer

    def do_POST(self) -> None:
        self.server.on_request()
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(CALLER)))
        self.end_headers()
        self.wfile.write(CALLER)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def sts() -> Iterator[StsServer]:
    server = StsServer(("127.0.0.1", 0), Sts)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def configured(tmp_path: Path, sts: StsServer) -> dict[str, str]:
    """The variables of a person whose profile has keys, a Region, and this STS."""
    config = tmp_path / "config"
    config.write_text(
        "[profile work]\nregion = eu-west-1\naws_access_key_id = a\naws_secret_access_key = b\nservices = here\n"
        f"[services here]\nsts =\n  endpoint_url = http://127.0.0.1:{sts.server_port}\n"
    )
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**variables, "PODIUM_HOME": str(tmp_path), "AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "work"}


def test_the_account_is_named_and_nothing_is_made_without_a_yes(configured: dict[str, str]) -> None:
    persons, consoles = pty.openpty()
    os.write(persons, b"n\n")
    done = subprocess.run(
        [sys.executable, "-m", "podium", "deploy", "--stack", "prod", "--model-server-url", "http://models"],
        env=configured, stdin=consoles, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    os.close(persons)
    os.close(consoles)
    assert done.returncode == 1
    assert (
        "stack 'prod' is deployed to account 210987654321 (arn:aws:iam::210987654321:user/me, profile work), Region eu-west-1."
        in done.stderr
    )
    assert "nothing was deployed" in done.stderr
    assert done.stdout.strip() == ""


def test_ctrl_c_is_one_line_and_exit_code_130(configured: dict[str, str], sts: StsServer) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "podium", "deploy", "--stack", "prod", "--model-server-url", "http://models", "--yes"],
        env=configured, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - a shell has its jobs ignore it
    ) as process:  # fmt: skip
        sts.on_request = lambda: process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "podium: interrupted.\n")


def test_at_the_end_of_the_input_nothing_is_made(configured: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "podium", "deploy", "--stack", "prod", "--model-server-url", "http://models"],
        env=configured, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "there is no terminal: add --yes" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "which stack? Name it with --stack. The local one is stopped by `podium down`"),
        (("--stack", "prod"), "nobody can confirm here that stack 'prod' is deleted"),
        (("--stack", "Prod"), "--stack 'Prod' cannot be a stack's name"),
    ],
)
def test_destroy_wants_a_name_and_a_yes(configured: dict[str, str], words: tuple[str, ...], sentence: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "podium", "destroy", *words],
        env=configured, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert sentence in done.stderr
