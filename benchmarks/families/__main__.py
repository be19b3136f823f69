"""One small model of every family of timm through the whole product, on random weights: which are refused, and why.

    python -m benchmarks.families [--families coat,volo]

A family is a module of `timm.models`; its smallest model trains one step at the smallest image size that it takes, and is
evaluated, packaged and served. Writes families.json and families.md to --out, after each; a family that families.json
holds already, with OpenVINO, is not tried again unless --families names it.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import timm
import torch

from benchmarks.families import choice
from benchmarks.families.journey import SAME, Journey, settings, travel, write_photos
from benchmarks.serving import machine
from benchmarks.serving.report import table
from benchmarks.training.suite import say
from training.errors import WrongInput

OUT = Path(__file__).resolve().parents[2] / "docs" / "results"
Json = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the requested families through the product, and write the table after each."""
    options = _arguments(arguments)
    path = options.out / "families.json"
    rows: dict[str, Json] = json.loads(path.read_text())["families"] if path.exists() else {}
    torch.set_num_threads(1)
    asked = (
        options.families.split(",")
        if options.families
        else [it for it in timm.list_modules() if not _whole(rows.get(it))]
    )
    for family in asked:
        say(f"{family} ...")
        rows[family] = try_family(family)
        _write(dict(sorted(rows.items())), options)


def try_family(family: str) -> Json:
    """The row of a family: its model, the size of its images, and how far it came."""
    looked = choice.look_at(family)
    row: Json = {"models": looked.models, "encoders": looked.encoders, "model": looked.smallest}
    row["model_args"] = choice.model_args(family)
    with tempfile.TemporaryDirectory(prefix="families-") as scratch:
        photos = write_photos(Path(scratch) / "photos")
        values = {**settings(photos, Path(scratch)), "model_args": row["model_args"]}
        try:
            config = choice.smallest_config(looked.smallest, values)
        except WrongInput as refused:
            return {**row, "image_size": None, **asdict(Journey(refused=str(refused)))}
        return {**row, "image_size": config.image_size, **asdict(travel(config, openvino=True))}


def _whole(row: Json | None) -> bool:
    """Whether the row says how OpenVINO did, or at which sentence the journey ended before."""
    return row is not None and any(row[key] is not None for key in ("openvino", "no_openvino", "refused"))


def _write(rows: Mapping[str, Json], options: argparse.Namespace) -> None:
    facts = {**machine.facts(), "timm": timm.__version__, "torch": torch.__version__}
    options.out.mkdir(parents=True, exist_ok=True)
    document = {"command": options.command, "machine": facts, "families": rows}
    (options.out / "families.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (options.out / "families.md").write_text("\n".join(page(rows, facts, options.command)) + "\n", encoding="utf-8")


def page(rows: Mapping[str, Json], facts: Mapping[str, object], command: str) -> Iterator[str]:
    """The lines of families.md."""
    counts = {
        "trained and evaluated": sum(row["trained"] for row in rows.values()),
        f"served by torch with the probabilities of `podium predict`, to {SAME:g}": _same(rows, "served"),
        f"served by OpenVINO with them, to {SAME:g}; {sum(map(_whole, rows.values()))} were tried": _same(
            rows, "openvino"
        ),
        "explained by Grad-CAM": sum(row["explained"] for row in rows.values()),
        "refused": sum(row["refused"] is not None for row in rows.values()),
    }
    yield from ("# timm's families: one small model of each", "")
    yield (
        f"Machine: {facts['cores']} cores of {facts['cpu']}, {facts['memory_gib']} GiB, {facts['system']}; timm {facts['timm']},"
        f" torch {facts['torch']}."
    )
    yield from ("", "```", command, "```", "")
    yield (
        "The model of each family with the fewest parameters, on random weights, at the smallest image size that it takes: one"
        " step of training, `evaluate`, `package`, and six photos through the model server's handler. Before that the batch norms"
        " get the statistics of the photos, and the logits a mean and a temperature by which the photos' probabilities lie far *apart*. *torch*"
        " and *OpenVINO* are the largest differences between a probability of the handler and of `podium predict`. Random"
        " weights may round badly: inception_v4's probabilities in float32 are 8e-4 off those in float64 before any server has them."
        " An empty cell under OpenVINO: it refused the network, with the sentence at the end; torch serves it."
    )
    yield ""
    yield table(("", f"of {len(rows)} families"), counts.items())
    yield ""
    yield table(
        ("family", "model", "image size", "trained", "apart", "torch", "OpenVINO", "s"),
        (
            (family, _model(row), row["image_size"] or "", "yes" if row["trained"] else "**no**", _off(row["apart"]), _off(row["served"]), _off(row["openvino"]), row["seconds"])
            for family, row in rows.items()
        ),
    )  # fmt: skip
    if encoders := [name for row in rows.values() for name in row["encoders"]]:
        total = sum(row["models"] for row in rows.values())
        yield from (
            "",
            f"Of the {total:,} models of these families, {len(encoders)} are image encoders without a classifier, and",
        )
        yield f"are refused: {', '.join(f'`{name}`' for name in encoders)}."
    sentences = [(family, row[key]) for family, row in rows.items() for key in ("refused", "no_openvino") if row[key]]
    if sentences:
        yield from ("", "## The sentences at which they ended", "", table(("family", "sentence"), sentences))


def _same(rows: Mapping[str, Json], key: str) -> int:
    return sum(row[key] is not None and row[key] <= SAME for row in rows.values())


def _model(row: Json) -> str:
    return f"`{row['model']}`" + (f" {row['model_args']}" if row["model_args"] else "")


def _off(difference: float | None) -> str:
    return "" if difference is None else f"{difference:.0e}"


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.families", description=__doc__.partition("\n")[0])
    parser.add_argument("--families", help="names, by commas; without it, all that are not in families.json")
    parser.add_argument("--out", type=Path, default=OUT)
    words = list(sys.argv[1:] if arguments is None else arguments)
    return parser.parse_args(
        words, argparse.Namespace(command=f"python -m benchmarks.families {shlex.join(words)}".strip())
    )


if __name__ == "__main__":
    main()
