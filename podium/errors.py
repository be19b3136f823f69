"""The error that ends a command with one sentence, and the exit codes that scripts read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from inference.harmless import harmless

EXIT_FAILED = 1  # something did not work; stderr says what to do
EXIT_USAGE = 2  # a wrong option or value, as in every command-line tool
EXIT_UNFINISHED = 3  # the time was up before the batch was finished; nothing is lost
EXIT_INTERRUPTED = 130  # Ctrl-C: 128 and the number of the signal
EXIT_PREEMPTED = 75  # a training got a signal to stop and saved its state: start it again (EX_TEMPFAIL)


class ConsoleError(Exception):
    """A sentence for the person: what was wrong, with the value, and what to do."""

    def __init__(self, sentence: str, exit_code: int = EXIT_FAILED, *, below: Sequence[str] = ()) -> None:
        """`below`: lines that stand under the sentence, such as the last ones that a program printed."""
        super().__init__(sentence)
        self.exit_code = exit_code
        self.below = tuple(below)

    def lines(self) -> Iterator[str]:
        """The lines that the person reads; whatever name a sentence quotes, it makes no line of its own."""
        yield f"podium: {harmless(str(self))}"
        yield from (f"  {harmless(line)}" for line in self.below)


@contextmanager
def foreseen() -> Iterator[None]:
    """Turn training's errors into the console's: exit code 2 for wrong input, 75 after a signal to stop, else 1."""
    from training.errors import Preempted, TrainingError, WrongInput

    codes = {WrongInput: EXIT_USAGE, Preempted: EXIT_PREEMPTED}
    try:
        yield
    except TrainingError as error:
        code = next((code for kind, code in codes.items() if isinstance(error, kind)), EXIT_FAILED)
        raise ConsoleError(" ".join(str(error).split()), code) from error


@contextmanager
def about_the_machine() -> Iterator[None]:
    """Turn a full disk, a missing permission or a limit of this machine into the console's error; others stay as they are."""
    try:
        yield
    except OSError as error:
        from training.errors import machine_sentence

        if sentence := machine_sentence(error):
            raise ConsoleError(sentence) from error
        raise
