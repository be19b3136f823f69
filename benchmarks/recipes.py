"""Train every recipe to its end: what it costs on this machine, and its accuracy on photos it never saw.

    python -m benchmarks.recipes --photos FOLDER --cifar FOLDER [--weights FILE]

FOLDERs hold a folder for each class, FILE the ImageNet weights of mobilenetv2_100; every other recipe that would start from the
hub's weights starts from random ones: what it reaches is then no measure of the recipe, what it costs is. Writes
recipes.json and recipes.md to --out. A recipe that recipes.json holds already is not trained again.
"""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.serving import machine
from benchmarks.training.suite import say
from training.settings.recipes import Recipe, read_recipe, recipe_names

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "results"
PODIUM = Path(sys.executable).parent / "podium"
TEST_SHARE = 0.2
MANY = 5_000  # photos, to which the cost is scaled: about those of a person with a data set of their own
Json = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """What one recipe cost and reached."""

    recipe: str
    model: str
    weights: str  # random, or a file's name
    photos: int  # that trained it
    settings: list[str]  # beside the recipe's own
    epochs: int
    seconds: float  # on the wall, whatever else the machine did
    cpu_s: float  # of one core, of all of `podium train`
    many_hours: float  # of one core: the same epochs over MANY photos
    evaluated_on: str
    top1: float
    low: float
    high: float
    measured_on: str


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the requested recipes, and write the table after each."""
    options = _arguments(arguments)
    path = options.out / "recipes.json"
    document: Json = json.loads(path.read_text()) if path.exists() else {}
    rows = {row["recipe"]: Row(**row) for row in document.get("rows", [])}
    with tempfile.TemporaryDirectory(prefix="recipes-") as scratch:
        data = {
            "photos": _some_of(options.photos, Path(scratch) / "photos", options.photos_per_class),
            "cifar": _some_of(options.cifar, Path(scratch) / "cifar", options.cifar_per_class),
        }
        for recipe in map(read_recipe, recipe_names()):
            if recipe.name in rows or (options.recipes and recipe.name not in options.recipes.split(",")):
                continue
            say(f"{recipe.name} ...")
            folder = data["cifar" if recipe.settings.get("data") == "cifar10" else "photos"]
            rows[recipe.name] = _measured(recipe, folder, Path(scratch) / recipe.name, options)
            _write(list(rows.values()), options)


def _measured(recipe: Recipe, data: Path, run: Path, options: argparse.Namespace) -> Row:
    settings, weights = settings_beside(recipe, options)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    trained = podium(
        "train", recipe.name, f"data={data}", f"run={run}", f"test_share={TEST_SHARE}", *settings, "--json"
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    runs = trained.get("folds", [trained])
    epochs = [epoch for one in runs for epoch in one["epochs"]]
    evaluated = podium("evaluate", str(runs[0]["run"]), "--no-report", "--json")
    photos = runs[0]["model"]["data"]["train_images"]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Row(
        recipe=recipe.name,
        model=str(trained.get("model", runs[0]["model"])["architecture"]),
        weights=weights,
        photos=photos,
        settings=settings,
        epochs=len(epochs),
        seconds=round(sum(one["seconds"] for one in runs), 1),
        cpu_s=round(cpu_s, 1),
        many_hours=round(cpu_s * MANY / photos / 3600, 2),
        evaluated_on=f"{evaluated['images']} {evaluated['split']} photos",
        top1=evaluated["top1"]["value"],
        low=evaluated["top1"]["low"],
        high=evaluated["top1"]["high"],
        measured_on=datetime.now(UTC).date().isoformat(),
    )


def settings_beside(recipe: Recipe, options: argparse.Namespace) -> tuple[list[str], str]:
    """The settings beside the recipe's own, and the weights it starts from."""
    settings = list(options.set)
    if "hours" in recipe.settings:
        settings.append(f"hours={options.hours}")
    if recipe.settings.get("pretrained") != "hub":
        return settings, "random, as the recipe says"
    if options.weights and recipe.settings["model"] == "mobilenetv2_100":
        return [*settings, f"pretrained={options.weights}"], "ImageNet"
    return [*settings, "pretrained=none"], "random"


def podium(*words: str) -> Json:
    """The document of `podium ... --json`. Raises CalledProcessError if it fails, with the reason on stderr."""
    done = subprocess.run([PODIUM, *words], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    answer: Json = json.loads(done.stdout)
    return answer


def _some_of(source: Path, folder: Path, count: int) -> Path:
    """Link to `count` photos of each class, in the order of their names."""
    for label in sorted(it for it in source.iterdir() if it.is_dir()):
        (folder / label.name).mkdir(parents=True)
        for photo in islice(sorted(label.iterdir()), count):
            (folder / label.name / photo.name).symlink_to(photo.resolve())
    return folder


def _write(rows: Sequence[Row], options: argparse.Namespace) -> None:
    out, facts = options.out, machine.facts()
    out.mkdir(parents=True, exist_ok=True)
    document = {"command": options.command, "machine": facts, "rows": [asdict(row) for row in rows]}
    (out / "recipes.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (out / "recipes.md").write_text("\n".join(_page(rows, facts, options.command)) + "\n", encoding="utf-8")


def _page(rows: Sequence[Row], facts: Mapping[str, object], command: str) -> Iterator[str]:
    yield "# Recipes: each trained for real"
    yield ""
    yield (
        f"Machine: {facts['cores']} cores of {facts['cpu']}, {facts['memory_gib']} GiB, {facts['system']}. "
        f"{', '.join(sorted({row.measured_on for row in rows}))}."
    )
    yield ""
    yield "```"
    yield command
    yield "```"
    yield ""
    yield "Each recipe as it stands, from its first epoch to its last, beside what the last column says. The figures are of cost, not of accuracy: with"
    yield "random weights and so few photos it may be a guess's (10 % of ten classes), and ImageNet weights may have seen photos that come from ImageNet. *CPU s* are seconds"
    yield f"of one core, start and validation included; *core-hours* those of the same epochs over {MANY:,} photos. Other work ran beside: seconds on the wall say little."
    yield ""
    yield "| recipe | model | weights | photos | epochs | seconds | CPU s | core-hours | unseen photos | top-1 | set beside the recipe |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for row in sorted(rows, key=lambda row: row.recipe):
        yield (
            f"| `{row.recipe}` | {row.model} | {row.weights} | {row.photos} | {row.epochs} | {row.seconds:.0f} | {row.cpu_s:.0f} "
            f"| {row.many_hours:.1f} | {row.evaluated_on} "
            f"| {row.top1:.1%} ({row.low:.1%} to {row.high:.1%}) | {', '.join(f'`{it}`' for it in row.settings)} |"
        )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.recipes", description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="photos, in a folder for each class")
    parser.add_argument("--photos-per-class", type=int, default=80)
    parser.add_argument("--cifar", type=Path, required=True, help="CIFAR-10's photos, in a folder for each class")
    parser.add_argument("--cifar-per-class", type=int, default=500)
    parser.add_argument("--weights", type=Path, help="ImageNet weights of mobilenetv2_100, a safetensors file")
    parser.add_argument("--hours", type=float, default=0.1, help="for recipes with a time budget")
    parser.add_argument("--recipes", help="names, by commas; all without it")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings for every recipe")
    words = list(sys.argv[1:] if arguments is None else arguments)
    return parser.parse_args(words, argparse.Namespace(command=f"python -m benchmarks.recipes {shlex.join(words)}"))


if __name__ == "__main__":
    main()
