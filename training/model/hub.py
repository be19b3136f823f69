"""The hub that weights are downloaded from: one request finds out whether it is there, before its library tries for a minute."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ANSWERS_WITHIN_S = 5.0


def answers(url: str) -> bool:
    """Whether anything answers there, by the proxy that the environment names, if it names one."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWERS_WITHIN_S):  # noqa: S310 - the hub's own address
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


@contextmanager
def reached_once(reached: Callable[[str], bool] = answers) -> Iterator[None]:
    """Inside, weights that were downloaded before do without a network; OSError at once for others if the hub is away."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or reached(constants.ENDPOINT):
        yield
        return
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    except OSError as error:
        raise ConnectionError(f"{constants.ENDPOINT} does not answer") from error
    finally:
        constants.HF_HUB_OFFLINE = False
