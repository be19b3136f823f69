"""Package a finished run for TorchServe as NAME.mar; run and archive are verified.

run folder -> network -> staged files -> engines, golden pictures -> archive -> settle -> check_archive
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from inference.archive.model_file import NAME, VERSION
from training.errors import WrongInput
from training.files import json_of
from training.model.model_file import MODEL_FILE, WEIGHTS_FILE
from training.model.network import load_run
from training.packaging.archive import archive, check_archive, settle
from training.packaging.engines import LEAST_AGREEMENT, Engine, Precision, build_engines
from training.packaging.golden_pictures import golden_document

LEFT_OUT = ("__pycache__", ".*", "py.typed", "Makefile", "requirements-*.txt")


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
    on_step: Callable[[str], None] | None = None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write `export_dir`/NAME.mar and return its path; the same run gives the same bytes.

    `extra_files` lie beside the handler in the archive; a folder among them arrives as a folder. An archive that is
    there already is replaced. With another `engine` than torch, the files that it loads come in, too; the configuration
    names engine and precision. `on_step` gets the name of each step that begins, `on_note` what a person should know.
    Raises WrongInput for a wrong name, and TrainingError if run, engine or archive fail a check.
    """
    if not NAME.fullmatch(name):
        raise WrongInput(
            f"--name {name!r}: use letters, digits, dots, dashes and underscores, at most 128; a letter or a digit first."
        )
    if not VERSION.fullmatch(version):
        raise WrongInput(f"--version {version!r}: use numbers with dots, as 1.0.")
    step = on_step or (lambda _: None)
    step("reading the run")
    network, facts = load_run(run_folder)
    facts = facts.model_copy(update={"name": name, "version": version})
    export_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=export_dir, prefix=".packing-") as scratch:
        staged = _stage(Path(scratch) / "files", run_folder, extra_files)
        step("computing the golden pictures")
        (staged / "golden.json").write_text(golden_document(network, facts), encoding="utf-8")
        step(f"exporting for engine {engine}, precision {precision}")
        engines = build_engines(
            run_folder, network, facts, staged, engine=engine, precision=precision, least_agreement=least_agreement,
            on_note=on_note,
        )  # fmt: skip
        facts = facts.model_copy(update={"engines": engines})
        (staged / MODEL_FILE).write_text(json_of(facts), encoding="utf-8")
        served_by: Engine = "torch" if engine == "auto" and not engines else engine
        configured = _configured(config_file, Path(scratch), served_by, precision)
        step("writing the archive")
        archived = archive(Path(scratch), facts, handler=handler, staged=staged, config_file=configured)
        settled = settle(archived, facts)
        step("checking the archive")
        check_archive(settled, facts)
        return settled.replace(export_dir / f"{name}.mar")


def _configured(config_file: Path | None, scratch: Path, engine: Engine, precision: Precision) -> Path | None:
    """The configuration with the requested engine and precision."""
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
    """A folder with the weights and the extra files, as in the archive."""
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
