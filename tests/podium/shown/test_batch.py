"""A batch's progress as a person and as a script read it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podium.batches.watch import BatchProgress
from podium.connection import Connection
from podium.errors import EXIT_UNFINISHED, ConsoleError
from podium.shown.batch import progress_document, progress_note, show_progress, show_watch, stuck_sentence
from tests.podium.conftest import INPUT


def progress(**changes: Any) -> BatchProgress:  # noqa: ANN401
    ordinary = {"total": 10_000, "classified": 2_990, "rejected": 10, "queued": 9, "in_flight": 1}
    return BatchProgress(**ordinary | changes)


def test_the_note_has_rate_and_time_left_once_they_are_known() -> None:
    counts = "2990 classified, 10 rejected, 7000 waiting"
    assert progress_note(progress()) == f"{counts}; queue: 9 to do, 1 taken"
    assert progress_note(progress(rate_per_s=1.5)) == f"{counts}; 1.5 images/s, 1:17:47 left"
    assert progress_note(progress(total=3000)) == "2990 classified, 10 rejected, 0 waiting"


def test_json_says_how_far_an_unfinished_batch_is() -> None:
    assert progress_document("monday", progress(rate_per_s=1.46)) == {
        "batch": "monday",
        "total": 10_000,
        "classified": 2_990,
        "rejected": 10,
        "waiting": 7_000,
        "rate_per_s": 1.5,
        "seconds_left": 4_795,
    }
    assert progress_document("monday", progress())["seconds_left"] is None


def test_json_says_how_far_a_batch_is_even_when_the_time_was_up(
    connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    connection.s3.put_object(Bucket=INPUT, Key="incoming/monday/ball.jpg", Body=b"x")
    with pytest.raises(ConsoleError, match="1 of 1 images still wait") as unfinished:
        show_watch(connection, "monday", timeout_s=0.5, as_json=True)
    assert unfinished.value.exit_code == EXIT_UNFINISHED
    document = json.loads(capsys.readouterr().out)
    assert (document["total"], document["waiting"], document["rate_per_s"]) == (1, 1, None)


class ServerDown(Connection):
    """A stack whose model server answers nothing."""

    server_is_down = True


def test_a_server_that_is_down_is_named_once_while_images_wait(capsys: pytest.CaptureFixture[str]) -> None:
    waiting, done = progress(), progress(total=3000)
    last = show_progress([waiting, waiting, done], ServerDown("podium"))
    assert last is done
    assert capsys.readouterr().err.count("the model server does not answer") == 1
    show_progress([done], ServerDown("podium"))
    assert "does not answer" not in capsys.readouterr().err


def test_images_that_wait_for_long_are_named_once(connection: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    stuck = progress(total=3005, stuck=("s3://b/incoming/nn/a\nb.jpg", "s3://b/incoming/nn/c.jpg"))
    show_progress([progress(), stuck, stuck], connection)
    printed = capsys.readouterr().err
    assert printed.count(r"still waiting: 's3://b/incoming/nn/a\nb.jpg', 's3://b/incoming/nn/c.jpg' and 3 others.") == 1
    assert "line feed" not in printed, "AWS reads such a key"


def test_the_local_stacks_fault_with_line_feeds_is_told_where_it_holds_up_an_image() -> None:
    assert "no function read a key with a line feed" in stuck_sentence(progress(stuck=("a\nb",)), local=True)
    assert "line feed" not in stuck_sentence(progress(stuck=("a b",)), local=True)
