"""Archives as TorchServe unpacks them, and photos to send: for the tests of the leaf and of the model server."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.inference.images.pictures import jpeg
from tests.model_server.archives import packaged, write_run, write_unpacked
from tests.model_server.handlers import loaded

if TYPE_CHECKING:
    from handler import PodiumHandler


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_unpacked(tmp_path_factory.mktemp("unpacked") / "balls")


@pytest.fixture(scope="session")
def photos() -> list[bytes]:
    """Sixteen JPEGs of soft coloured noise in different sizes."""
    numbers = np.random.default_rng(0)
    noise = (numbers.integers(0, 256, (5, 5, 3), dtype=np.uint8) for _ in range(16))
    return [jpeg(Image.fromarray(pixels).resize((90 + 10 * n, 120))) for n, pixels in enumerate(noise)]


@pytest.fixture(scope="session")
def handler(unpacked: Path) -> PodiumHandler:
    """Serves by the reference, torch in fp32: the archive holds no other engine."""
    return loaded(unpacked)


@pytest.fixture
def archive(unpacked: Path, tmp_path: Path) -> Path:
    """A copy of the unpacked archive, to be damaged."""
    return shutil.copytree(unpacked, tmp_path / "balls")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training of the tiny network, which looks at the middle of a photo."""
    return write_run(tmp_path_factory.mktemp("runs") / "run", tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def for_openvino(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, packaged for OpenVINO in int8, as TorchServe unpacks it: fp32 and bf16 are in it, too."""
    return packaged(run, tmp_path_factory.mktemp("openvino"), engine="openvino", precision="int8")


@pytest.fixture(scope="session")
def for_aotinductor(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, packaged for AOTInductor, as TorchServe unpacks it. Compiling takes half a minute."""
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        pytest.skip("AOTInductor needs a C++ compiler, and there is none")
    return packaged(run, tmp_path_factory.mktemp("aotinductor"), engine="aotinductor", precision="fp32")
