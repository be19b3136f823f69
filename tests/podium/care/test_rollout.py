"""`podium rollout`, on moto: every step is one write to the ledger, and no step goes untested unless somebody says so."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.contracts import ModelFacts
from pipeline.queue.events import orders_in
from pipeline.rollout.state import Rollout
from podium.care.rollout import (
    ARCHIVES_TOGETHER_BYTES,
    SETTLED_AFTER,
    Wanted,
    how_to_deploy,
    promote,
    roll_back,
    show_to_both,
    start,
)
from podium.care.rollout_seen import look, rollouts_of, wait_for_answer
from podium.connection import Connection
from podium.errors import EXIT_UNFINISHED, EXIT_USAGE, ConsoleError
from podium.published import SHA256
from tests.podium.care.clock import Clock
from tests.podium.care.queues import bodies
from tests.podium.conftest import put_row

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)
NEXT = ModelFacts(name="balls", version="2.0")


@pytest.fixture
def begun(connection: Connection) -> Rollout:
    return start(connection, Wanted(NEXT), NOW)


def seen(connection: Connection, rollout: Rollout, **counts: int) -> None:
    """The functions have counted this."""
    rollouts_of(connection).add(rollout, Counter(counts), None, NOW)


def refused(run: object, *, exit_code: int = 1) -> str:
    assert callable(run)
    with pytest.raises(ConsoleError) as error:
        run()
    assert error.value.exit_code == exit_code
    return str(error.value)


def step(connection: Connection, *, to: float | None = None, untested: bool = False) -> Rollout:
    return promote(connection, to=to, untested=untested, now=LATER)


def test_a_rollout_begins_in_shadow(connection: Connection, begun: Rollout) -> None:
    assert (begun.stage, begun.weight, begun.replaces) == ("shadow", 0, "balls@1.0")
    assert rollouts_of(connection).read() == begun


def test_only_one_rollout_goes_on_at_a_time(connection: Connection, begun: Rollout) -> None:
    other = Wanted(ModelFacts(name="balls", version="3.0"))
    assert "balls@2.0 is under way (shadow)" in refused(lambda: start(connection, other, LATER))
    roll_back(connection, "bad", LATER)
    assert start(connection, other, LATER).candidate.ref == "balls@3.0"


def test_the_stacks_own_model_is_no_candidate(connection: Connection) -> None:
    own = Wanted(ModelFacts(name="balls", version="1.0"))
    assert "another version" in refused(lambda: start(connection, own, NOW), exit_code=EXIT_USAGE)


@pytest.mark.parametrize("steps", ["", "5,x", "50,25,100", "5,5,100", "0,100", "5,25", "100,200"])
def test_weights_rise_to_a_hundred(connection: Connection, steps: str) -> None:
    assert "--steps" in refused(lambda: start(connection, Wanted(NEXT, steps=steps), NOW), exit_code=EXIT_USAGE)
    assert rollouts_of(connection).read() is None


def test_after_an_alarm_the_next_rollout_waits_until_alarms_are_armed_again(
    connection: Connection, begun: Rollout
) -> None:
    rollouts_of(connection).roll_back(by="alarm", reason="bad", at=LATER, noticed_at=LATER)
    soon, settled = LATER + timedelta(seconds=10), LATER + SETTLED_AFTER
    assert "wait 170 s" in refused(lambda: start(connection, Wanted(NEXT), soon))
    assert start(connection, Wanted(NEXT), settled).stage == "shadow"


def test_an_address_is_for_a_stack_with_a_server_and_an_archive_for_one_without(connection: Connection) -> None:
    with_archive, with_url = Wanted(NEXT, archive=Path("balls.mar")), Wanted(NEXT, url="http://models.test:8080/")
    assert "without a model server" in refused(lambda: start(connection, with_archive, NOW), exit_code=EXIT_USAGE)
    assert start(connection, with_url, NOW).candidate_url == "http://models.test:8080"
    wrong = Wanted(NEXT, url="models.test")
    roll_back(connection, "no", LATER)
    assert "--url models.test must be http" in refused(lambda: start(connection, wrong, LATER), exit_code=EXIT_USAGE)
    here(connection)
    assert "the function holds" in refused(lambda: start(connection, with_url, LATER), exit_code=EXIT_USAGE)


def here(connection: Connection) -> None:
    """The function holds the model, whose archive lies in the bucket."""
    archive(connection, "1.0", b"current")
    bucket = connection.facts.results_bucket
    connection.facts = connection.facts.model_copy(
        update={"model_server_url": None, "model_archive": f"s3://{bucket}/models/balls-1.0.mar"}
    )


def archive(connection: Connection, version: str, data: bytes, **metadata: str) -> str:
    put = connection.s3.put_object(
        Bucket=connection.facts.results_bucket, Key=f"models/balls-{version}.mar", Body=data, Metadata=metadata
    )
    return put["VersionId"]


def test_an_archive_in_the_bucket_is_named_by_its_version_and_digest(connection: Connection) -> None:
    here(connection)
    assert "give the candidate's --archive" in refused(lambda: start(connection, Wanted(NEXT), NOW))
    archive(connection, "2.0", b"by other tools")
    assert "not uploaded by podium" in refused(lambda: start(connection, Wanted(NEXT), NOW))
    version = archive(connection, "2.0", b"candidate", **{SHA256: "5e" * 32})
    begun = start(connection, Wanted(NEXT), NOW)
    assert (begun.archive_key, begun.archive_version, begun.archive_sha256) == (
        "models/balls-2.0.mar", version, "5e" * 32,
    )  # fmt: skip


def test_two_models_that_do_not_fit_into_one_function_are_refused(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(connection)
    archive(connection, "2.0", b"candidate", **{SHA256: "5e" * 32})
    monkeypatch.setattr("podium.care.rollout.ARCHIVES_TOGETHER_BYTES", len(b"current") + 1)
    assert ARCHIVES_TOGETHER_BYTES > 1e8
    assert "has room for" in refused(lambda: start(connection, Wanted(NEXT), NOW))


def test_images_of_the_current_model_are_shown_to_both(
    connection: Connection, begun: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "parameters", {})
    for number in range(3):
        put_row(connection, f"incoming/monday/{number}.jpg")
    put_row(connection, "incoming/monday/empty.jpg", label=None)
    assert show_to_both(connection, begun, 2) == 2
    orders = [order for body in bodies(connection, connection.facts.queue_url) for order in orders_in(body)]
    assert [(order.sender, order.model, order.batch) for order in orders] == [("rollout", None, "monday")] * 2


def test_images_that_the_functions_may_no_longer_read_are_not_shown(
    connection: Connection, begun: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "parameters", {"ExistingBucket": "archive"})
    for bucket in ("archive", "an-archive-of-before"):
        put_row(connection, "incoming/monday/ball.jpg", bucket=bucket)
    assert show_to_both(connection, begun, 10) == 1
    [order] = [order for body in bodies(connection, connection.facts.queue_url) for order in orders_in(body)]
    assert order.image.bucket == "archive"


def test_too_few_compared_images_keep_a_rollout_from_its_next_stage(connection: Connection, begun: Rollout) -> None:
    seen(connection, begun, compared=99, same_top1=99)
    assert "99 images were compared in this stage, and 100 are to be" in refused(lambda: step(connection))
    seen(connection, begun, compared=1, same_top1=1)
    assert step(connection).weight == 5


def test_untested_is_said_aloud(connection: Connection, begun: Rollout) -> None:
    assert step(connection, untested=True).stage_name == "5"


def test_each_stage_counts_for_itself(connection: Connection, begun: Rollout) -> None:
    seen(connection, begun, compared=100, same_top1=100)
    step(connection)
    assert "0 images were compared in this stage" in refused(lambda: step(connection))


def test_a_candidate_beyond_its_limits_goes_no_further_untested_or_not(connection: Connection, begun: Rollout) -> None:
    seen(connection, begun, compared=100, same_top1=10)
    assert "90 of 100 images disagree" in refused(lambda: step(connection, untested=True))


def test_weights_only_rise(connection: Connection, begun: Rollout) -> None:
    weights = [step(connection, untested=True).weight for _ in range(2)]
    assert weights == [5, 25]
    assert "not above 25" in refused(lambda: step(connection, to=10, untested=True), exit_code=EXIT_USAGE)
    assert step(connection, to=60, untested=True).weight == 60
    assert step(connection, untested=True).weight == 100


def test_after_a_hundred_a_deployment_makes_it_permanent_and_then_the_rollout_ends(
    connection: Connection, begun: Rollout
) -> None:
    step(connection, to=100, untested=True)
    assert "podium deploy --stack podium --model balls@2.0" in refused(lambda: step(connection))
    connection.facts = connection.facts.model_copy(update={"model": "balls@2.0"})
    assert step(connection).stage == "promoted"
    assert "no rollout is under way" in refused(lambda: step(connection))


def test_the_deployment_of_a_model_inside_the_function_names_its_archive(
    connection: Connection, begun: Rollout
) -> None:
    here(connection)
    assert how_to_deploy(connection, begun) == "`podium deploy --stack podium --archive balls.mar` (version 2.0)"


def test_a_rollback_by_hand_keeps_its_reason(connection: Connection, begun: Rollout) -> None:
    roll_back(connection, "the labels are odd", LATER)
    now = look(connection)
    assert now is not None
    assert (now.rollout.stage, now.rollout.ended_by, now.rollout.reason) == (
        "rolled_back",
        "person",
        "the labels are odd",
    )
    assert "no rollout is under way" in refused(lambda: roll_back(connection, "again", LATER))


def waited(connection: Connection, rollout: Rollout, clock: Clock, timeout_s: float = 60) -> int:
    return len(
        list(wait_for_answer(connection, rollout, timeout_s=timeout_s, clock_s=lambda: clock.now_s, sleep=clock.sleep))
    )


def test_start_waits_until_the_candidate_was_compared_once(connection: Connection, begun: Rollout) -> None:
    seen(connection, begun, compared=1, same_top1=1)
    assert waited(connection, begun, Clock()) == 1


def test_a_candidate_that_never_answers_in_time_is_no_success(connection: Connection, begun: Rollout) -> None:
    sentence = refused(lambda: waited(connection, begun, Clock()), exit_code=EXIT_UNFINISHED)
    assert "compared with no image in 60 s" in sentence


def test_a_candidate_that_only_fails_is_told_with_its_last_error(connection: Connection, begun: Rollout) -> None:
    rollouts_of(connection).add(begun, Counter(errors=12), "its archive is damaged", NOW)
    sentence = refused(lambda: waited(connection, begun, Clock()))
    assert "12 of 12 images were not answered" in sentence
    assert "its archive is damaged" in sentence


def test_a_rollout_that_ends_while_somebody_waits_is_told(connection: Connection, begun: Rollout) -> None:
    rollouts_of(connection).roll_back(by="alarm", reason="It disagrees.", at=LATER, noticed_at=LATER)
    assert "has ended: It disagrees." in refused(lambda: waited(connection, begun, Clock()))


def test_before_the_first_rollout_there_is_nothing_to_see(connection: Connection) -> None:
    assert look(connection) is None
