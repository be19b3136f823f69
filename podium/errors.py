"""What the console says when it cannot go on, and the exit codes that scripts read."""

from __future__ import annotations

EXIT_FAILED = 1  # something did not work; stderr says what to do
EXIT_USAGE = 2  # a wrong option or value, as every command-line tool says it
EXIT_PREEMPTED = 75  # a training was asked to stop and has saved where it stands: start it again (EX_TEMPFAIL)
EXIT_UNFINISHED = 3  # the time was up before the batch was finished; nothing is lost


class ConsoleError(Exception):
    """A sentence for the person: what was wrong, with the value, and what to do."""

    def __init__(self, sentence: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
