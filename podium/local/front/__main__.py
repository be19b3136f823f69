"""Run the embedded AWS behind the door, in one process: `python -m podium.local.front HOME`, with the tools' Python.

HOME only names it among the processes. Its settings are MiniStack's variables; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are the keys of the account's root.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import _build_persistence_save_dict, app
from ministack.core import lambda_runtime
from ministack.core.iam_evaluator import CredentialResolutionError, is_root_access_key, resolve_credential
from ministack.core.persistence import save_all

from podium.local.front import connections
from podium.local.front.door import Door
from podium.local.front.objects import write_objects
from podium.local.front.refusals import Refused
from podium.local.front.sessions import function_credentials

KEEP_ALIVE_S = 75
SAVE_EVERY_S = 60.0


def main() -> None:
    """Serve until SIGTERM; the emulator writes its state then."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a worker of each function, and 32 uploads at once
    lambda_runtime.execution_credentials = _function_credentials  # before the service that imports it
    config = Config()
    config.bind = [f"{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}"]
    config.certfile = os.environ["MINISTACK_SSL_CERT"]
    config.keyfile = os.environ["MINISTACK_SSL_KEY"]
    config.keep_alive_timeout = KEEP_ALIVE_S
    logging.getLogger("persistence").setLevel(logging.WARNING)  # else fifty lines for every save
    running = Path(os.environ["FRONT_RUNNING_FILE"])
    running.touch()
    asyncio.run(_serve(config))
    _write_objects()
    _sync(Path(os.environ["STATE_DIR"]))
    running.unlink(missing_ok=True)


async def _serve(config: Config) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, _save)
    loop.set_exception_handler(connections.note)
    saving = loop.create_task(_save_now_and_then())
    await serve(Door(app, os.environ["AWS_ACCESS_KEY_ID"], secret_of), config)
    saving.cancel()


async def _save_now_and_then() -> None:
    """So that a kill or a power cut loses a minute. A large state is saved more seldom: it costs a hundredth of the time."""
    pause_s = SAVE_EVERY_S
    while True:
        await asyncio.sleep(pause_s)
        began = time.monotonic()
        _save()
        pause_s = max(SAVE_EVERY_S, 100 * (time.monotonic() - began))
        await asyncio.to_thread(_sync, Path(os.environ["STATE_DIR"]))


def _save() -> None:
    """Write the state as at the end."""
    save_all(_build_persistence_save_dict())
    _write_objects()


def _write_objects() -> None:
    write_objects(Path(os.environ["STATE_DIR"]), os.environ["AWS_ACCESS_KEY_ID"])


def _sync(folder: Path) -> None:
    """Have the disk hold it, also after a power cut."""
    for path in (*folder.glob("*.json"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def secret_of(access_key_id: str, session_token: str) -> str:
    """The secret of the account's root, of a function's session, or of a user whom root made. Raises Refused."""
    root = os.environ["AWS_ACCESS_KEY_ID"]
    if (
        is_root_access_key(access_key_id) and access_key_id != root
    ):  # the emulator takes `test` and any account for root
        raise Refused("InvalidClientTokenId", f"No key {access_key_id} here: `podium env` prints the local stack's.")
    found = resolve_credential(access_key_id, account_id=root, session_token=session_token)
    if isinstance(found, CredentialResolutionError):
        raise Refused(found.code, found.message)
    return str(found.secret_access_key)


def _function_credentials(config: dict[str, Any]) -> dict[str, str]:
    from ministack.services.sts import register_session

    return function_credentials(config, os.environ["AWS_SECRET_ACCESS_KEY"], register_session)


if __name__ == "__main__":
    main()
