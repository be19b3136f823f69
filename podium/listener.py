"""Who listens on a port of this machine, and whether it is the local stack.

Asked once before the first request: boto3 alone would try a closed port again and again, and call another program's answer a
wrong certificate.
"""

from __future__ import annotations

import shlex
import socket
import ssl

from podium.errors import ConsoleError
from podium.project import CA_BUNDLE, LocalStack

ANSWERS_WITHIN_S = 5.0
WORDS_SHOWN = 100  # characters of a command line


def check_listener(local: LocalStack) -> None:
    """ConsoleError unless the local stack answers on its port; it names the program that listens there instead."""
    port = local.emulator_port
    try:
        context = ssl.create_default_context(cafile=str(CA_BUNDLE))
        with (
            socket.create_connection(("127.0.0.1", port), timeout=ANSWERS_WITHIN_S) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            pass
    except ConnectionRefusedError as error:
        raise ConsoleError("the local stack does not run. Start it with `podium up`.") from error
    except TimeoutError as error:
        raise ConsoleError(
            f"port {port}, which is the local stack's, does not answer within {ANSWERS_WITHIN_S:g} s. {who_listens(port)} "
            "listens there; see `podium status`, or start the stack anew with `podium down` and `podium up`."
        ) from error
    except FileNotFoundError as error:
        raise ConsoleError(
            f"the local stack's certificate is gone ({CA_BUNDLE}). Make it anew with `podium down` and `podium up`."
        ) from error
    except OSError as error:  # ssl's, too
        raise ConsoleError(
            f"port {port} is the local stack's, and another program answers there: {who_listens(port)}. Stop it and type "
            "`podium up`, or take another port with `podium down --delete-data`."
        ) from error


def who_listens(port: int) -> str:
    """`python -m http.server (pid 7)`; a program of another user shows neither."""
    import psutil

    try:
        pids = {
            its.pid
            for its in psutil.net_connections("tcp")
            if its.laddr and its.laddr.port == port and its.status == psutil.CONN_LISTEN
        }
    except psutil.AccessDenied:  # macOS, without root
        pids = set()
    names = [_named(pid) for pid in sorted(pid for pid in pids if pid is not None)]
    return " and ".join(names) or "a program of another user, or in a container"


def _named(pid: int) -> str:
    import psutil

    try:
        process = psutil.Process(pid)
        words = shlex.join(process.cmdline()) or process.name()
    except psutil.Error:
        return f"pid {pid}"
    return f"{words[:WORDS_SHOWN]}{'...' if len(words) > WORDS_SHOWN else ''} (pid {pid})"
