"""What a network that timm makes with pretrained weights found in them: timm itself only logs it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook


@dataclass
class Load:
    """The names of one `load_state_dict` that did not meet."""

    missing: list[str] = field(default_factory=list)  # of the network, not in the weights
    unexpected: list[str] = field(default_factory=list)  # of the weights, not in the network


@contextmanager
def watched_load() -> Iterator[Load]:
    """The names that did not meet in the last `load_state_dict` of a module that is made inside the block.

    torch tells the modules themselves, the outermost one last: so each one gets a hook when it gets its first child.
    """
    load, known = Load(), set[nn.Module]()

    def remember(_module: nn.Module, names: Any) -> None:  # noqa: ANN401 - a private class of torch
        load.missing, load.unexpected = names.missing_keys, names.unexpected_keys

    def watch(parent: nn.Module, _name: str, _child: nn.Module | None) -> None:
        if parent not in known:
            known.add(parent)
            hook = parent.register_load_state_dict_post_hook(remember)  # type: ignore[no-untyped-call]
            stack.callback(hook.remove)

    timm_log = logging.getLogger("timm.models._builder")  # it writes every name that did not meet to the terminal
    with ExitStack() as stack:
        stack.callback(timm_log.setLevel, timm_log.level)
        timm_log.setLevel(logging.ERROR)
        stack.callback(register_module_module_registration_hook(watch).remove)
        yield load
