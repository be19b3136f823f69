"""Which arguments of `timm.create_model` a recipe or an archive may set: those that shape the network, as plain values.

The rest of them names weights, files and addresses, which timm fetches and unpickles; or makes a network that does not
classify.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

MOST_VALUES = 256  # numbers and words in all arguments together; the longest list of timm's own has 24
LARGEST = 16_384  # of a whole number: a width, a depth, a side in pixels; timm's widest layer has 8,192
LARGEST_FRACTION = 1e6  # of other numbers: rates, epsilons, temperatures
DEEPEST = 3  # lists in lists
WORD = re.compile(r"[A-Za-z0-9_-]{0,64}")  # `gelu`, `avg`: no address and no path has a chance
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_LOADING = re.compile(r"pretrained(?!_window_sizes?$).*|checkpoint.*|pruned|(.*_)?(file|url|dir|hub_id)")
_NOT_A_SHAPE = {
    "model_name", "model_cfg", "cfg", "kwargs_filter", "feature_cfg", "feature_cls", "features_only", "out_indices",
    "device", "dtype", "scriptable", "exportable", "no_jit",
}  # fmt: skip


_DECIDED = {"num_classes": "the classes decide it"}  # set by whoever makes the network


class WrongModelArgs(ValueError):
    """An argument that nobody's model_args may set; the sentence names it and its value, and says what may."""


def check_model_args(arguments: Mapping[str, object]) -> None:
    """Raise WrongModelArgs unless every argument is one that shapes a network: the one rule for recipes and archives.

    Values are whole numbers up to 16,384, other numbers up to a million, truth values, plain words, none, and lists and
    mappings of these. Whether the network knows an argument is timm's to say.
    """
    values = [value for name, value in arguments.items() for value in _values(name, value, 1)]
    if len(values) > MOST_VALUES:
        raise WrongModelArgs(f"model_args hold {len(values)} values, at most {MOST_VALUES} are allowed.")


def _values(name: object, value: object, depth: int) -> Iterator[object]:
    """Every plain value under an argument, checked with the names on the way to it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise WrongModelArgs(f"model_args: {_short(name)} is no argument's name. Take it out.")
    if name in _DECIDED:
        raise WrongModelArgs(f"model_args: {name} = {_short(value)} may not be set: {_DECIDED[name]}. Take it out.")
    if _LOADING.fullmatch(name) or name in _NOT_A_SHAPE:
        raise WrongModelArgs(
            f"model_args: {name} = {_short(value)} may not be set, because model_args only shape the network: they load "
            "and place nothing. Take it out."
        )
    if depth > DEEPEST:
        raise WrongModelArgs(f"model_args: {name} is nested deeper than {DEEPEST} times. Make it flat.")
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _values(key, one, depth + 1)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _values(name, one, depth + 1)
    else:
        _check_plain(name, value)
        yield value


def _check_plain(name: str, value: object) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str) and WORD.fullmatch(value):
        return
    if isinstance(value, int) and abs(value) <= LARGEST:
        return
    if isinstance(value, float) and math.isfinite(value) and abs(value) <= LARGEST_FRACTION:
        return
    raise WrongModelArgs(
        f"model_args: {name} is {_short(value)}, expected a whole number up to {LARGEST:,}, another one up to "
        f"{LARGEST_FRACTION:,.0f}, a plain word such as gelu, or a list of these."
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
