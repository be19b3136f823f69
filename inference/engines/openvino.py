"""OpenVINO: the fastest engine on a CPU; one file for fp32 and bf16, another one for int8."""

from __future__ import annotations

from pathlib import Path

import openvino

from inference.engines.seam import EngineFailed, Logits, Precision
from inference.images.pixels import Pixels

HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # what is not quantised in an int8 network
SPEAKS = {"fp32": "FP32", "bf16": "BF16", "int8": "INT8"}


class OpenVinoEngine:
    """A network that training exported: uint8 (N, H, W, 3) in, logits out."""

    def __init__(self, file: Path, *, precision: Precision, threads: int) -> None:
        """Raises EngineFailed if the file cannot be loaded, or the CPU does not compute in this precision."""
        try:
            core = openvino.Core()
            speaks = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        except RuntimeError as error:
            raise EngineFailed(f"OpenVINO does not know this CPU: {' '.join(str(error).split())[:300]}") from error
        if SPEAKS[precision] not in speaks:
            raise EngineFailed(
                f"This CPU does not compute in {precision}; OpenVINO says that it knows {', '.join(speaks)}."
            )
        hints = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # two workers on their own would pin themselves to the same core
        }
        try:
            self._request = core.compile_model(file, "CPU", hints).create_infer_request()
        except RuntimeError as error:
            raise EngineFailed(f"OpenVINO cannot load {file.name}: {' '.join(str(error).split())[:300]}") from error
        self.name = f"openvino-{precision}"

    def logits(self, pixels: Pixels) -> Logits:
        """As Engine promises."""
        answer: Logits = self._request.infer([pixels], share_inputs=True)[0]
        return answer
