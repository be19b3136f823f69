"""A finished run, packed for TorchServe: NAME.mar, checked on the way in and on the way out.

run folder -> check_run -> staged files -> engines, golden predictions -> archive -> settle -> check_archive
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import timm
from safetensors import SafetensorError, safe_open

from inference.archive.digest import file_sha256, matches_sha256
from training.errors import TrainingError, WrongInput
from training.model.model_file import MODEL_FILE, WEIGHTS_FILE, ModelFile, read_model_file
from training.model.network import head_of, load_run
from training.packaging.archive import archive, check_archive, settle
from training.packaging.engines import LEAST_AGREEMENT, Engine, Precision, build_engines
from training.packaging.golden_pictures import golden_document

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # the archiver's own rule
VERSION = re.compile(r"[0-9]+(\.[0-9]+){0,2}")
LEFT_OUT = ("__pycache__", ".*", "py.typed")


def package(
    run_folder: Path,
    *,
    name: str,
    version: str,
    export_dir: Path,
    handler: Path,
    extra_files: Sequence[Path] = (),
    config_file: Path | None = None,
    engine: Engine = "torch",
    precision: Precision = "auto",
    least_agreement: float = LEAST_AGREEMENT,
) -> Path:
    """Write `export_dir`/NAME.mar and return its path; the same run gives the same bytes.

    `extra_files` lie beside the handler in the archive; a folder among them arrives as a folder. An archive that is
    there already is replaced. With another `engine` than torch, the files that it loads come in, too; the configuration
    names what was asked for. Raises WrongInput over a name, and TrainingError where run, engine or archive fail a check.
    """
    if not NAME.fullmatch(name):
        raise WrongInput(f"--name {name!r}: use letters, digits, dots, dashes and underscores; no other sign first.")
    if not VERSION.fullmatch(version):
        raise WrongInput(f"--version {version!r}: use numbers with dots, as 1.0.")
    facts = check_run(run_folder).model_copy(update={"name": name, "version": version})
    export_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=export_dir, prefix=".packing-") as scratch:
        staged = _stage(Path(scratch) / "files", run_folder, extra_files)
        network, _ = load_run(run_folder)
        (staged / "golden.json").write_text(golden_document(network, facts), encoding="utf-8")
        engines = build_engines(
            run_folder, network, facts, staged, engine=engine, precision=precision, least_agreement=least_agreement
        )
        facts = facts.model_copy(update={"engines": engines})
        (staged / MODEL_FILE).write_text(facts.model_dump_json(indent=1) + "\n", encoding="utf-8")
        configured = _configured(config_file, Path(scratch), engine, precision)
        archived = archive(Path(scratch), facts, handler=handler, staged=staged, config_file=configured)
        settled = settle(archived, facts)
        check_archive(settled, facts)
        return settled.replace(export_dir / f"{name}.mar")


def check_run(run_folder: Path) -> ModelFile:
    """The run's record; TrainingError where its weights are not the ones that it names, or do not fit its model."""
    facts = read_model_file(run_folder)
    weights = run_folder / WEIGHTS_FILE
    if not weights.is_file():
        raise TrainingError(f"{weights} is missing. Train again.")
    if not matches_sha256(weights, facts.weights.sha256):
        raise TrainingError(
            f"{weights} has sha256 {file_sha256(weights)[:12]}..., and {MODEL_FILE} names {facts.weights.sha256[:12]}...: one of them"
            " was changed after the training. Train again, or restore it."
        )
    _check_shapes(weights, facts)
    return facts


def _check_shapes(weights: Path, facts: ModelFile) -> None:
    try:
        with safe_open(weights, framework="pt") as opened:
            shapes = {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118 - no dict
    except SafetensorError as error:
        raise TrainingError(f"{weights} is no safetensors file ({error}). Train again.") from error
    network = timm.create_model(facts.architecture, num_classes=len(facts.classes), **facts.model_args)
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    head = next(f"{key}.weight" for key, part in network.named_modules() if part is head_of(network))
    if head in shapes and shapes[head][0] != len(facts.classes):
        raise TrainingError(
            f"The head in {weights} has {shapes[head][0]} outputs, and {MODEL_FILE} names {len(facts.classes)} classes."
            " They must be equal. Train again."
        )
    if shapes != expected:
        odd = min(key for key in shapes.keys() | expected.keys() if shapes.get(key) != expected.get(key))
        raise TrainingError(f"{weights} does not fit {facts.architecture}: {odd} differs. Train again.")


def _configured(config_file: Path | None, scratch: Path, engine: Engine, precision: Precision) -> Path | None:
    """The configuration with the engine and the precision that were asked for."""
    if config_file is None:
        return None
    text = config_file.read_text(encoding="utf-8")
    if engine == "all":  # the machine decides, and int8 is the choice of one engine only
        engine, precision = "auto", "auto" if precision == "int8" else precision
    for key, value in (("engine", engine), ("precision", precision)):
        text, found = re.subn(rf"^(  {key}:) \w+", rf"\1 {value}", text, flags=re.MULTILINE)
        if found != 1:
            raise WrongInput(f"{config_file} sets {key} {found} times under `handler:`, expected once.")
    (scratch / config_file.name).write_text(text, encoding="utf-8")
    return scratch / config_file.name


def _stage(folder: Path, run_folder: Path, extra_files: Sequence[Path]) -> Path:
    """The weights, and what else is given to the package, as it shall lie in the archive."""
    folder.mkdir()
    for extra in extra_files:
        if extra.is_dir():
            shutil.copytree(extra, folder / extra.name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        elif extra.is_file():
            shutil.copyfile(extra, folder / extra.name)
        else:
            raise WrongInput(f"{extra} does not exist. Leave it out, or give its right path.")
    if (folder / MODEL_FILE).exists() or (folder / WEIGHTS_FILE).exists():
        raise WrongInput(f"An extra file is called {MODEL_FILE} or {WEIGHTS_FILE}, as the run's own. Rename it.")
    shutil.copyfile(run_folder / WEIGHTS_FILE, folder / WEIGHTS_FILE)
    return folder
