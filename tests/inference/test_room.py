"""`inference` is a leaf: it imports no other room, and what serves with OpenVINO needs neither torch nor timm."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inference.images.pictures import corners, jpeg

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "inference"
WITH_TORCH = {
    "engines/aotinductor.py", "engines/network.py", "engines/reference.py", "engines/torch_device.py",
    "engines/torch_resize.py", "engines/weights.py", "heat_map.py", "networks/__init__.py", "networks/making.py", "networks/plain_cnn.py",
}  # fmt: skip
CLASSIFIES = """
import sys
from pathlib import Path

class Poison:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "timm"}:
            raise AssertionError(f"{name} is imported")

sys.meta_path.insert(0, Poison())
from inference.classifier import Classifier

classifier = Classifier.load(Path(sys.argv[1]), precision=sys.argv[3])
[odds] = classifier.classify(classifier.read(Path(sys.argv[2]).read_bytes())[None])
assert abs(odds.sum() - 1) < 1e-5
print(classifier.engine, odds.argmax())
"""


def modules(*, with_torch: bool) -> list[Path]:
    files = {path.relative_to(ROOM).as_posix(): path for path in ROOM.rglob("*.py")}
    assert files.keys() >= WITH_TORCH
    return [path for name, path in files.items() if with_torch == (name in WITH_TORCH)]


def imported(path: Path) -> Iterator[str]:
    """The packages that a module imports, wherever in it, without the standard library's."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None, "an import by dots"
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)


def third_party(*, with_torch: bool) -> set[str]:
    found = {name for path in modules(with_torch=with_torch) for name in imported(path)}
    return found - sys.stdlib_module_names - {"inference"}


def required() -> set[str]:
    """The packages of requirements/inference.in, by the names under which they are imported."""
    lines = (ROOT / "requirements" / "inference.in").read_text(encoding="utf-8").splitlines()
    names = {found[0] for line in lines if (found := re.match(r"[\w-]+", line))}
    return {{"pillow": "PIL", "pi-heif": "pi_heif"}.get(name, name) for name in names}


def test_what_needs_no_torch_imports_just_what_its_requirements_name() -> None:
    assert third_party(with_torch=False) == required()


def test_what_needs_torch_imports_nothing_else_but_what_torch_models_are_made_of() -> None:
    assert third_party(with_torch=True) - required() == {"torch", "timm", "safetensors", "psutil"}


@pytest.mark.torch
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_archive_is_loaded_and_classifies_with_openvino_if_torch_cannot_be_imported(
    for_openvino: Path, tmp_path: Path, precision: str
) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg(corners().resize((300, 200))))
    command = [sys.executable, "-c", CLASSIFIES, str(for_openvino), str(tmp_path / "photo.jpg"), precision]
    done = subprocess.run(command, cwd=for_openvino, env={"PATH": ""}, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"openvino-{precision} ")


@pytest.mark.torch
def test_an_engine_whose_library_is_not_installed_is_refused_with_what_to_install(
    for_openvino: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inference.archive.errors import ModelRefused
    from inference.classifier import Classifier

    monkeypatch.delitem(sys.modules, "inference.engines.reference", raising=False)
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.delitem(sys.modules, "inference.engines.network", raising=False)
    with pytest.raises(ModelRefused, match=r"timm.*Install requirements/model_server\.txt"):
        Classifier.load(for_openvino, engine="torch")


def test_only_the_module_that_knows_what_libjpeg_turbo_can_scale_calls_it() -> None:
    """What it cannot scale, it writes beyond its memory."""
    callers = [path.relative_to(ROOM).as_posix() for path in ROOM.rglob("*.py") if "simplejpeg" in imported(path)]
    assert callers == ["images/jpegs.py"]
