"""The audit as one self-contained HTML page: tables, and the pictures side by side.

AuditReport, files -> shown findings, thumbnails -> page.html (Jinja, everything escaped) -> audit.html
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from inference.harmless import harmless
from inference.images.reading import UnreadableImage, read_image
from training.audit.files import NO_SPLIT
from training.audit.measuring import without_warnings
from training.audit.records import AuditReport, DuplicatePair, Outlier, Suspect
from training.files import write_atomically

THUMBNAIL_PX = 144
QUALITY = 80
T = TypeVar("T")
SHOWN = 60  # of each kind; issues.csv has them all
SHOWN_ROWS = 200


@dataclass(frozen=True)
class Finding:
    """One finding as the page shows it: pictures, each with a line under it, and a line under all."""

    pictures: tuple[tuple[str, str], ...]  # path, caption
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Findings of one kind; `total` of them, of which `findings` are shown."""

    name: str
    title: str
    says: str
    total: int
    findings: tuple[Finding, ...]


def write_page(report: AuditReport, paths: Mapping[str, Path], out: Path) -> None:
    """Write the page; a picture that cannot be shown is an empty frame."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    with without_warnings():
        text = environment.get_template("page.html").render(
            report=report, counts=report.counts(), galleries=galleries(report), rows=SHOWN_ROWS,
            picture=_thumbnails(paths),
        )  # fmt: skip
    write_atomically(harmless(text, lines=True), out)


def galleries(report: AuditReport) -> list[Gallery]:
    """The findings to look at, the most serious first; kinds without a finding are left out."""
    pairs = report.pairs
    same = [pair for pair in pairs if pair.same_bytes and not pair.leaks and not pair.conflicts]
    near = [pair for pair in pairs if not pair.same_bytes and not pair.leaks and not pair.conflicts]
    near.sort(key=lambda pair: pair.correlation)
    outliers = {limit.kind: [one for one in report.outliers if one.kind == limit.kind] for limit in report.limits}
    every = [
        _of_pairs("leak", "Leaks", "The same picture in two splits: leave one of the two out.", report.leaks),
        _of_pairs("conflict", "One picture, two labels", "One of the labels is wrong.", report.conflicts),
        _gallery("label", "Doubtful labels", _how_labels(report), report.labels.suspects, _suspect),
        _of_pairs("duplicate", "Duplicates", "The same bytes twice.", same),
        _of_pairs("near", "Near duplicates", "Nearly the same picture twice, the least alike first.", near),
        *(
            _gallery(limit.kind, limit.kind.replace("_", " ").capitalize(), f"{limit.what[0].upper()}{limit.what[1:]} {limit.limit:g}.",
                     outliers[limit.kind], _outlier)
            for limit in report.limits if limit.limit is not None
        ),
    ]  # fmt: skip
    return [gallery for gallery in every if gallery.total]


def _how_labels(report: AuditReport) -> str:
    return (
        f"A linear classifier on features of a frozen {report.labels.model}, which has not seen the picture, says another label."
        " Some are errors, others are hard photos: look before you change a label."
    )


def _gallery[T](name: str, title: str, says: str, found: Sequence[T], finding: Callable[[T], Finding]) -> Gallery:
    return Gallery(name, title, says, len(found), tuple(finding(one) for one in found[:SHOWN]))


def _of_pairs(name: str, title: str, says: str, pairs: Sequence[DuplicatePair]) -> Gallery:
    return _gallery(name, title, says, pairs, _pair)


def _pair(pair: DuplicatePair) -> Finding:
    how = "same bytes" if pair.same_bytes else f"correlation {pair.correlation:.3f}, {pair.distance} of 64 bits"
    pictures = (
        (pair.keep, f"keep: {_where(pair.keep_label, pair.keep_split)}"),
        (pair.drop, f"leave out: {_where(pair.drop_label, pair.drop_split)}"),
    )
    return Finding(pictures, f"{how}, mirrored" if pair.mirrored else how)


def _where(label: str, split: str) -> str:
    return label if split == NO_SPLIT else f"{label}, {split}"


def _suspect(suspect: Suspect) -> Finding:
    given = f"given {suspect.given} ({suspect.given_probability:.1%})"
    return Finding(((suspect.path, given),), f"suggested {suspect.suggested} ({suspect.suggested_probability:.1%})")


def _outlier(outlier: Outlier) -> Finding:
    return Finding(((outlier.path, outlier.label),), f"{outlier.value:g}")


def _thumbnails(paths: Mapping[str, Path]) -> Callable[[str], str]:
    """A function from a file's path in the report to a data URL; empty if there is no picture."""
    made: dict[str, str] = {}

    def picture(relative: str) -> str:
        if relative not in made:
            made[relative] = _thumbnail(paths.get(relative))
        return made[relative]

    return picture


def _thumbnail(path: Path | None) -> str:
    try:
        image = read_image(path.read_bytes()) if path else None
    except (OSError, UnreadableImage):
        image = None
    if image is None:
        return ""
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BICUBIC, reducing_gap=2.0)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
