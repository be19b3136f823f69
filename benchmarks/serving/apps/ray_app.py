"""Ray Serve: two replicas, each with its own batches; photos as raw bodies."""

from __future__ import annotations

import os
import signal
import threading

import ray
from ray import serve
from ray.serve.config import HTTPOptions
from starlette.requests import Request

from benchmarks.serving.apps.model import MAX_BATCH, WORKERS, load_warm
from benchmarks.serving.apps.model import classify as classify_photos

BATCH_WAIT_S = 0.01
ONGOING = 64  # requests a replica may hold; Ray's own 5 would leave its batches half empty


class Classify:
    """One replica."""

    def __init__(self) -> None:
        self.model = load_warm()

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=BATCH_WAIT_S)  # type: ignore[untyped-decorator]
    async def together(self, photos: list[bytes]) -> list[dict[str, object]]:
        return classify_photos(self.model, photos)

    async def __call__(self, request: Request) -> dict[str, object]:
        found: dict[str, object] = await self.together(await request.body())
        return found


if __name__ == "__main__":
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    ray.init(num_cpus=WORKERS, include_dashboard=False, _temp_dir=os.environ["TMPDIR"], log_to_driver=False)
    serve.start(http_options=HTTPOptions(host="127.0.0.1", port=int(os.environ["SERVING_PORT"])))
    deployment = serve.deployment(
        num_replicas=WORKERS, max_ongoing_requests=ONGOING, ray_actor_options={"num_cpus": 1},
        logging_config={"enable_access_log": False},
    )  # fmt: skip
    serve.run(deployment(Classify).bind(), route_prefix="/predict")
    stopped.wait()
    serve.shutdown()
    ray.shutdown()
