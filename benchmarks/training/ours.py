"""Podium's own steps on real photos, as a process: the loop of `podium train`, without its validation.

python -m benchmarks.training.ours '{"config": {...}, "classes": 15}'
"""

from __future__ import annotations

import time

from benchmarks.training.gate import Gate, tell, wait_for
from benchmarks.training.setup import set_up
from training.data.listing import list_photos
from training.data.photos import read_photos
from training.fitting.fit import make_fit
from training.fitting.state import State
from training.fitting.steps import Watch, train_epoch
from training.fitting.world import World
from training.network import preprocessing_of
from training.run import Progress


def main() -> None:
    """Read the photos, and train until nobody asks for more steps."""
    setup = set_up()
    began = time.monotonic()
    listing = list_photos(setup.config)
    preprocessing = preprocessing_of(setup.network, setup.config)
    photos = read_photos(listing, setup.config, preprocessing, lambda: None)
    fit = make_fit(setup.config, setup.network, preprocessing, photos, setup.device, World())
    tell(
        setup.facts()
        | {"cache": photos.cache.kind, "reason": photos.cache.reason, "reading_s": round(time.monotonic() - began, 1)}
    )
    state = State.begin(setup.device)
    gate = Gate(wait_for(setup.device))

    def after_a_step() -> bool:  # the loop asks this between two updates
        gate.step()
        return False

    watch = Watch(
        tell=lambda _: None,
        stop_asked=after_a_step,
        save=lambda _: None,
        stop=lambda _: None,
        save_every_s=float("inf"),
    )
    gate.open()
    while True:
        train_epoch(fit, state, Progress("training", 0, len(fit.batches)), watch)
        state.epoch, state.step = state.epoch + 1, 0
        state.tallies.zero_()


if __name__ == "__main__":
    main()
