"""Which folders and words mean train, validation or test: in any case, with the usual synonyms, prefixes and endings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from training.data.records import Split

ORDER: tuple[Split, ...] = ("train", "validation", "test")
OWN = ("train", "validation", "val", "valid", "test")  # beside these, a folder needs no other sign that it is a split
_WORDS: dict[Split, str] = {
    "train": "train|training|trainval",
    "validation": "val|valid|validation",
    "test": "test|testing",
}
_READS = re.compile(
    rf"(?P<before>(?:.*[ _.-])?)(?:{'|'.join(f'(?P<{split}>{words})' for split, words in _WORDS.items())})"
    r"(?:[ _.-]?(?:set|data|split|images?|imgs?|photos|pictures|\d))*",
    re.IGNORECASE,
)


def split_named(word: str) -> Split | None:
    """The split that a word in a table means: `Train`, `TRAINING` and `train_set` are all `train`; None if it means none."""
    read = _read(word)
    return read[1] if read and not read[0] else None


def splits_among(folders: Mapping[str, Sequence[str]]) -> dict[str, Split]:
    """Which of the folders that lie side by side are splits, in the order train, validation, test.

    `folders` are their names, each with the names of the folders in it. `Train` is one as `train` is. `Training`,
    `train_set`, `seg_train` and the like may be classes: they are splits with the same words before them that have a folder's
    name in common (Train/cat and Test/cat), or have all folders among them, or lie beside such a `train`.
    """
    alike: dict[str, dict[str, Split]] = defaultdict(dict)
    for name in folders:
        if read := _read(name):
            alike[read[0]][name] = read[1]
    found = {
        name: split
        for before, named in alike.items()
        for name, split in named.items()
        if (not before and name.casefold() in OWN) or _belong_together(named, folders)
    }
    return dict(sorted(found.items(), key=lambda each: (ORDER.index(each[1]), each[0])))


def may_be_split(name: str) -> bool:
    """Whether a folder's name reads like a split's."""
    return _read(name) is not None


def _read(name: str) -> tuple[str, Split] | None:
    """What stands before the word of a split, in small letters, and the split."""
    read = _READS.fullmatch(name)
    if read is None:
        return None
    return read["before"].casefold(), next(split for split in ORDER if read[split])


def _belong_together(named: Mapping[str, Split], folders: Mapping[str, Sequence[str]]) -> bool:
    """Whether folders with the same words before their split's are splits, and no classes."""
    if len(named) == len(folders) or any(name.casefold() == "train" and folders[name] for name in named):
        return True
    inside = {
        split: {one for name in named if named[name] == split for one in folders[name]} for split in named.values()
    }
    each = list(inside.values())
    return any(first & second for index, first in enumerate(each) for second in each[index + 1 :])
