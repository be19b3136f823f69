"""Connections that a client used or ended in an odd way: a line of the log each, not a traceback of hypercorn's dozens of lines."""

from __future__ import annotations

import asyncio
import logging
from typing import Any


def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """asyncio's handler of what nobody caught: about a connection a line, about all else its own traceback."""
    if "transport" not in context:
        loop.default_exception_handler(context)
        return
    error = context.get("exception")
    while isinstance(error, BaseExceptionGroup):  # hypercorn's group of tasks
        error = error.exceptions[0]
    logging.getLogger("front").warning("a connection ended: %r", error or context["message"])
