"""LitServe: its own queue and batches, in front of two workers; photos as raw bodies."""

# No `from __future__ import annotations`: LitServe reads the annotation of `decode_request` as it is.
import os
from typing import Annotated

import litserve
import numpy as np
from fastapi import Body

from benchmarks.serving.apps.model import MAX_BATCH, WORKERS, Pixels, Probabilities, answer, load_warm

BATCH_TIMEOUT_S = 0.01


class Api(litserve.LitAPI):  # type: ignore[misc]
    """The verbs of a LitServe API."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        self.model = load_warm()

    def decode_request(self, request: Annotated[bytes, Body(media_type="application/octet-stream")]) -> Pixels:
        return self.model.read(request)

    def batch(self, inputs: list[Pixels]) -> Pixels:
        return np.stack(inputs)

    def predict(self, pixels: Pixels) -> Probabilities:
        return self.model.classify(pixels)

    def unbatch(self, output: Probabilities) -> list[Probabilities]:
        return list(output)

    def encode_response(self, output: Probabilities) -> dict:  # type: ignore[type-arg]
        return answer(self.model, output)


if __name__ == "__main__":
    server = litserve.LitServer(
        Api(max_batch_size=MAX_BATCH, batch_timeout=BATCH_TIMEOUT_S),
        accelerator="cpu",
        workers_per_device=WORKERS,
        timeout=60,
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["SERVING_PORT"]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )
