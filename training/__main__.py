"""`python -m training train ...`: torchrun starts it, one process for each GPU; `podium train` shows progress bars."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from inference.harmless import harmless
from training.errors import Preempted, TrainingError, WrongInput, machine_sentence
from training.run import TrainingProgress
from training.settings.layering import layered
from training.settings.words import sort_words

EXIT_FAILED, EXIT_USAGE, EXIT_PREEMPTED, EXIT_INTERRUPTED = 1, 2, 75, 130  # 75: EX_TEMPFAIL, start me again
USAGE = "usage: python -m training train [RECIPE] DATA [FILE.yaml] [key=value ...]\n       python -m training train --resume RUN"


def main(words: list[str]) -> int:
    """Train by these words; returns the exit code."""
    from training.fine_tune import resume, train
    from training.kfold import are_folds

    match words:
        case ["train", "--resume", run]:
            if are_folds(Path(run)):
                raise WrongInput(
                    f"{run} holds folds. Use `podium train --resume {shlex.quote(str(run))}`, which goes on with every fold."
                )
            finished = resume(Path(run), on_progress=_tell, on_note=_say)
        case ["train", _, *_]:
            config = layered(sort_words(words[1:]), on_note=_say)
            if config.folds is not None and config.fold is None:
                raise WrongInput("Give fold=0 (and so on), or use `podium train`, which trains every fold.")
            finished = train(config, on_progress=_tell, on_note=_say)
        case _:
            _say(USAGE)
            return EXIT_USAGE
    _say(
        f"{finished.folder}: top-1 {finished.model.metrics.top1:.1%} of {finished.model.data.validation_images} validation photos"
    )
    return 0


def _tell(now: TrainingProgress) -> None:
    if now.stage == "scored":
        _say(
            f"epoch {now.epoch}/{now.epochs}: loss {now.loss:.3f}, top-1 {now.top1:.1%}, {now.images_per_s:.0f} images/s"
        )


def _say(sentence: str) -> None:
    """On stderr, from the leading process only."""
    if os.environ.get("RANK", "0") == "0":
        sys.stderr.write(harmless(sentence, lines=True) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except TrainingError as error:
        _say(f"training: {error}")
        codes = {Preempted: EXIT_PREEMPTED, WrongInput: EXIT_USAGE}
        sys.exit(codes.get(type(error), EXIT_FAILED))
    except OSError as error:
        if (sentence := machine_sentence(error)) is None:
            raise
        _say(f"training: {sentence}")
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        _say("training: interrupted.")
        sys.exit(EXIT_INTERRUPTED)
