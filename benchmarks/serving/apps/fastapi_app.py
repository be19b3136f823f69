"""FastAPI and uvicorn with a batcher of thirty lines: nothing else stands between the socket and the model."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from benchmarks.serving.apps.model import MAX_BATCH, Pixels, Probabilities, answer, load_warm
from inference.images.reading import UnreadableImage

app = FastAPI()
model = load_warm()


class Batcher:
    """One thread reads and classifies the photos that wait, at most eight at a time; it does not wait to fill a batch."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[bytes, asyncio.Future[Probabilities]]] = deque()
        self.thread = ThreadPoolExecutor(1)
        self.running: asyncio.Task[None] | None = None

    async def classify(self, photo: bytes) -> Probabilities:
        future: asyncio.Future[Probabilities] = asyncio.get_running_loop().create_future()
        self.waiting.append((photo, future))
        if self.running is None or self.running.done():
            self.running = asyncio.create_task(self.run())
        return await future

    async def run(self) -> None:
        while self.waiting:
            taken = [self.waiting.popleft() for _ in range(min(MAX_BATCH, len(self.waiting)))]
            work = asyncio.get_running_loop().run_in_executor(self.thread, rows, [photo for photo, _ in taken])
            for (_, future), row in zip(taken, await work, strict=True):
                if isinstance(row, UnreadableImage):
                    future.set_exception(row)
                else:
                    future.set_result(row)


def rows(photos: list[bytes]) -> list[Probabilities | UnreadableImage]:
    """The probabilities of each photo, or why there are none."""
    seen: list[Pixels | UnreadableImage] = []
    for photo in photos:
        try:
            seen.append(model.read(photo))
        except UnreadableImage as unreadable:
            seen.append(unreadable)
    pixels = [image for image in seen if not isinstance(image, UnreadableImage)]
    found = iter(model.classify(np.stack(pixels)) if pixels else ())
    return [image if isinstance(image, UnreadableImage) else next(found) for image in seen]


batcher = Batcher()


@app.post("/predict")  # type: ignore[untyped-decorator]
async def predict(request: Request) -> Response:
    """The classes of the photo in the body."""
    try:
        return JSONResponse(answer(model, await batcher.classify(await request.body())))
    except UnreadableImage as unreadable:
        return JSONResponse({"error": unreadable.reason}, status_code=422)
