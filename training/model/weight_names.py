"""The names in a file of weights, made those of the network: without what a trainer wrote before each of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from training.errors import WrongInput
from training.model.provenance import listed

# What trainers write before the names, the average (EMA) of the weights first, as timm takes it first.
AVERAGES = ("state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema")
WRAPPERS = (
    *AVERAGES, "state_dict", "model_state_dict", "module", "_orig_mod", "model", "network", "net", "backbone", "encoder",
)  # fmt: skip
# Parts of names that torchvision's networks have, and timm's networks of the same layers do not.
_OF_TORCHVISION = re.compile(
    r"(^|\.)(features\.\d+\.(\d+|conv|block|squeeze|expand\dx\d|reduction)|conv_proj|encoder_layer_\d+|inception\d[a-e]\.branch\d"
    r"|(blocks|layers)\.\d+\.(layers\.)?\d+\.layers|stage\d\.\d+\.branch\d)\."
)


@dataclass(frozen=True)
class Named:
    """The tensors of a file under the network's names, as far as they are the same."""

    tensors: Mapping[str, Tensor]
    prefix: str  # that stood before each name
    unused: int  # tensors of the file without that prefix


def without_prefix(tensors: Mapping[str, Tensor], wanted: Collection[str], source: str) -> Named:
    """The tensors whose names begin with what most `wanted` names have before them, without it.

    If hardly a name is wanted, the usual wrappers are taken away: timm may know the names below them. Raises WrongInput if
    the network is in the file more than once, and none of them is the average (EMA) of the weights.
    """
    counts = _prefixes(tensors, wanted)
    most = max(counts.values(), default=0)
    if most * 2 < len(wanted):
        prefix = _wrapper(tensors)
    else:
        prefix = _one_of(sorted(name for name, count in counts.items() if count == most), source)
    kept = {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return Named(kept, prefix, len(tensors) - len(kept))


def are_others(names: Collection[str], wanted: Collection[str]) -> bool:
    """Whether less than half of the wanted names are there: then these are not the network's names, whatever its shapes."""
    return len(set(wanted) & set(names)) * 2 < len(wanted)


def other_names(path: object, network: str, names: Collection[str], wanted: Collection[str]) -> str:
    """The sentence about a file whose names are not the network's: whose they may be, and what to do."""
    theirs = [name for name in names if _OF_TORCHVISION.search(name)]
    if theirs:
        whose = f"its names are torchvision's, as {_shown(theirs)}, which timm cannot translate here"
    else:
        whose = f"its names are as {_shown(names)}"
    part = "hardly any" if set(wanted) & set(names) else "none"
    return (
        f"{path} holds {part} of {network}'s weights: {whose}, and {network}'s as {_shown(wanted)}. Give weights of {network}"
        " by timm's names, or pretrained=hub."
    )


def _shown(names: Collection[str]) -> str:
    """A few of the names, weights before what else layers have."""
    return listed(sorted(names, key=lambda name: not name.endswith("weight")))


def _prefixes(names: Iterable[str], wanted: Collection[str]) -> Counter[str]:
    """What stands before wanted names, with its dot, and before how many; it may be nothing."""
    found = Counter[str]()
    for name in names:
        start = 0
        while start >= 0:
            if name[start:] in wanted:
                found[name[:start]] += 1
            start = name.find(".", start) + 1 or -1
    return found


def _one_of(prefixes: list[str], source: str) -> str:
    averages = [prefix for prefix in prefixes if set(AVERAGES) & set(prefix.split("."))]
    if len(averages) == 1:
        return averages[0]
    if "" in prefixes or len(prefixes) == 1:
        return prefixes[0]
    raise WrongInput(
        f"{source} holds the network more than once: under {', '.join(prefixes)}. Save the one that is wanted to a file of"
        " its own."
    )


def _wrapper(names: Collection[str]) -> str:
    """The wrappers before the names, or before the average's names if there is one."""
    prefix = ""
    while True:
        heads = {name[len(prefix) :].partition(".")[0] for name in names if name.startswith(prefix)}
        head = next((wrapper for wrapper in WRAPPERS if wrapper in heads), None)
        if head is None:
            return prefix
        prefix += f"{head}."
