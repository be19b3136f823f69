"""Whether it is the local stack that listens on its port.

Asked once before the first request: boto3 alone would try a closed port again and again, and call another program's answer a
wrong certificate.
"""

from __future__ import annotations

import socket
import ssl

from podium.errors import ConsoleError
from podium.processes import who_listens
from podium.project import CA_BUNDLE, LocalStack

ANSWERS_WITHIN_S = 5.0


def check_listener(local: LocalStack) -> None:
    """ConsoleError unless the local stack answers on its port; it names the program that listens there instead."""
    port = local.emulator_port
    try:
        context = ssl.create_default_context(cafile=str(CA_BUNDLE))
    except (FileNotFoundError, ssl.SSLError) as error:
        raise ConsoleError(
            f"the local stack's certificate is gone or damaged ({CA_BUNDLE}). Make it anew with `podium up`."
        ) from error
    try:
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
    except OSError as error:  # ssl's, too
        raise ConsoleError(
            f"port {port} is the local stack's, and another program answers there: {who_listens(port)}. Stop it and type "
            "`podium up`, or take another port with `podium down --delete-data`."
        ) from error
