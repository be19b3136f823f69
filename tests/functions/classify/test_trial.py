"""A rollout in the classify function: a real HTTP server for each model, AWS in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.classify.connections import Connections, open_connections
from pipeline.classify.trials import READ_EVERY_S, TRUSTED_FOR_S
from pipeline.contracts import ImageRef, LabelProbability, ModelFacts, Order
from pipeline.queue.orders import body_of
from pipeline.rollout.ledger import Rollouts
from pipeline.rollout.samples import MOST_AT_ONCE
from pipeline.rollout.state import Rollout
from pipeline.settings import Settings
from tests.functions.conftest import LEDGER, RESULTS, Aws
from tests.functions.factories import body_about, server_answer, sqs_event
from tests.functions.fake_model_server import ModelServer, Reply, answering, running_model_server
from tests.functions.invoking import counted, failed, invoke, metrics_of
from tests.functions.rollout.test_state import rollout

CANDIDATE = ModelFacts(name="balls", version="2.0", archive_sha256="2e" * 32)
BEGUN = datetime.now(UTC) - timedelta(minutes=10)
DOWN = Reply(503, b'{"code": 503, "type": "ServiceUnavailableException", "message": "no worker is up"}')
REJECTS = Reply(400, b'{"code": "unreadable", "error": "It ends early.", "model": {"name": "balls", "version": "2.0"}}')


def saying(label: str, model: ModelFacts = CANDIDATE) -> Reply:
    ranked = {label: 0.7} | ({} if label == "golf ball" else {"golf ball": 0.2})
    predictions = tuple(LabelProbability(label=it, probability=probability) for it, probability in ranked.items())
    return Reply(200, server_answer(model=model, predictions=predictions).model_dump_json().encode())


@dataclass
class Stage:
    """The function with two models, and its ledger."""

    aws: Aws
    server: ModelServer
    candidate: ModelServer
    connections: Connections
    now_s: float = 0.0
    before: Rollout | None = field(default=None)

    @property
    def rollouts(self) -> Rollouts:
        return Rollouts(self.aws.dynamodb, LEDGER)

    def step(self, **changes: object) -> Rollout:
        """The rollout becomes this, and every process has read it."""
        now = rollout(
            **{
                "candidate_url": self.candidate.url,
                "started_at": BEGUN,
                "stage_at": BEGUN + timedelta(seconds=self.now_s),
            }
            | changes
        )
        self.rollouts.write(now, self.before)
        self.before = now
        self.now_s += READ_EVERY_S
        return now

    def classify(self, *keys: str, receive_count: int = 1) -> list[str]:
        """The messages that come again, of an upload each."""
        images = [self.aws.upload(f"incoming/monday/{key}.jpg") for key in keys]
        return failed(invoke(sqs_event(*map(body_about, images), receive_count=receive_count)))

    def models(self) -> set[str]:
        return {row.model for row in self.aws.rows()}

    def counts(self, of: Rollout) -> dict[str, int]:
        counts = self.rollouts.tally(of).counts
        return {it: counts[it] for it in ("compared", "same_top1", "in_top3", "errors", "answered", "mismatched")}

    def samples(self) -> list[dict[str, object]]:
        listed = self.aws.s3.list_objects_v2(Bucket=RESULTS, Prefix="rollouts/").get("Contents", [])
        bodies = [self.aws.s3.get_object(Bucket=RESULTS, Key=it["Key"])["Body"].read() for it in listed]
        return [json.loads(body) for body in bodies]


@pytest.fixture
def stage(aws: Aws, settings: Settings, model_server: ModelServer, connections: Connections) -> Iterator[Stage]:
    """All servers answer; the candidate agrees. The ledger's clock stands still."""
    with running_model_server() as candidate:
        candidate.reply = lambda _: saying("golf ball")
        candidate.reply_to_tar = lambda images: Reply(
            200,
            json.dumps(
                {
                    "model": CANDIDATE.model_dump(),
                    "answers": [
                        {k: v for k, v in json.loads(candidate.reply(data).body).items() if k != "model"}
                        | {"name": name, "status": candidate.reply(data).status}
                        for name, data in images
                    ],
                }
            ).encode(),
        )
        stage = Stage(aws, model_server, candidate, connections)
        connections.trials.now_s = lambda: stage.now_s
        yield stage
    open_connections.cache_clear()


def test_without_a_rollout_the_ledger_is_read_once_in_half_a_minute_and_no_more(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    reads: list[float] = []
    real = stage.connections.trials.rollouts
    stage.connections.trials.rollouts = Counting(real.dynamodb, real.table, reads)
    for now_s in (0.0, 1.0, READ_EVERY_S - 1, READ_EVERY_S, READ_EVERY_S + 1):
        stage.now_s = now_s
        assert stage.classify(f"{now_s}") == []
        if now_s in {0.0, READ_EVERY_S}:
            assert len(reads) == 1 + (now_s > 0)
    assert len(reads) == 2
    assert stage.models() == {"balls@1.0"}


@dataclass(frozen=True)
class Counting(Rollouts):
    """The ledger; every read is noted."""

    reads: list[float]

    def read(self) -> Rollout | None:
        self.reads.append(0)
        return super().read()


def test_in_shadow_the_current_models_answer_is_the_result_and_the_candidates_is_compared(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    shadow = stage.step(compared_share=100)
    stage.candidate.reply = lambda _: saying("rugby ball")
    assert stage.classify("a", "b", "c") == []
    assert stage.models() == {"balls@1.0"}
    assert {row.label for row in stage.aws.rows()} == {"golf ball"}
    assert stage.counts(shadow) == {
        "compared": 3, "same_top1": 0, "in_top3": 3, "errors": 0, "answered": 0, "mismatched": 0,
    }  # fmt: skip
    metrics = counted(metrics_of(capsys))
    assert metrics == {"ImagesClassified": 3, "RolloutCompared": 3}


def test_a_share_of_the_images_is_compared(stage: Stage) -> None:
    shadow = stage.step(compared_share=30)
    for n in range(4):
        assert stage.classify(*[f"{n}-{m}" for m in range(15)]) == []
    assert 5 <= stage.counts(shadow)["compared"] <= 35
    assert sum(stage.candidate.images) == stage.counts(shadow)["compared"]


def test_disagreements_are_kept_side_by_side_and_only_a_few_of_each_invocation(stage: Stage) -> None:
    stage.step(compared_share=100)
    stage.candidate.reply = lambda _: saying("rugby ball")
    stage.classify(*[f"{n}" for n in range(MOST_AT_ONCE + 3)])
    samples = stage.samples()
    assert len(samples) == MOST_AT_ONCE
    assert all(str(it["image"]).startswith("s3://podium-input") for it in samples)
    first = samples[0]
    assert (first["current_model"], first["candidate_model"]) == ("balls@1.0", "balls@2.0")
    sides = json.dumps(first["current"]), json.dumps(first["candidate"])
    assert '"golf ball"' in sides[0]
    assert '"rugby ball"' in sides[1]


def test_a_rejection_by_one_model_alone_is_a_disagreement(stage: Stage) -> None:
    shadow = stage.step(compared_share=100)
    stage.candidate.reply = lambda _: REJECTS
    assert stage.classify("a") == []
    assert stage.counts(shadow)["same_top1"] == 0
    assert stage.aws.row().status == "classified"


def test_with_weights_the_candidate_answers_its_share_and_the_row_names_it(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    half = stage.step(stage="weights", weight=50, compared_share=0)
    for n in range(2):
        assert stage.classify(*[f"{n}-{m}" for m in range(20)]) == []
    by = [row.model for row in stage.aws.rows()]
    assert len(by) == 40
    assert 8 <= by.count("balls@2.0") <= 32
    assert stage.counts(half)["answered"] == by.count("balls@2.0")
    assert "VersionMismatch" not in counted(metrics_of(capsys))
    [one] = [row for row in stage.aws.rows() if row.model == "balls@2.0"][:1]
    assert stage.aws.result_of(one)["model"]["version"] == "2.0"


def test_with_weights_both_models_are_compared_whichever_answered(stage: Stage) -> None:
    all_of_them = stage.step(stage="weights", weight=100, compared_share=100)
    stage.candidate.reply = lambda _: saying("rugby ball")
    assert stage.classify("a", "b") == []
    assert stage.models() == {"balls@2.0"}
    assert stage.counts(all_of_them)["compared"] == 2
    assert stage.counts(all_of_them)["same_top1"] == 0
    [sample, _] = stage.samples()
    assert '"golf ball", "probability": 0.9' in json.dumps(sample["current"])


def test_what_the_candidate_does_not_answer_the_current_model_answers_at_once(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    live = stage.step(stage="weights", weight=100, compared_share=0)
    stage.candidate.reply = stage.candidate.reply_to_tar = lambda _: DOWN  # type: ignore[assignment]
    assert stage.classify("a", "b") == []
    assert stage.models() == {"balls@1.0"}
    assert stage.counts(live)["errors"] == 2
    tally = stage.rollouts.tally(live)
    assert tally.last_error is not None
    assert "503" in tally.last_error
    assert "ModelUnavailable" not in counted(metrics_of(capsys))


def test_when_both_servers_are_down_images_wait_and_the_candidate_is_not_blamed(stage: Stage) -> None:
    live = stage.step(stage="weights", weight=100, compared_share=100)
    for server in (stage.server, stage.candidate):
        server.reply = server.reply_to_tar = lambda _: DOWN  # type: ignore[assignment]
    assert stage.classify("a", "b") == ["m0", "m1"]
    assert stage.aws.rows() == []
    assert stage.counts(live)["errors"] == 0


def test_the_candidate_is_not_blamed_for_an_image_that_the_current_model_does_not_answer_either(stage: Stage) -> None:
    live = stage.step(stage="weights", weight=100, compared_share=0)
    stage.candidate.reply_to_tar = lambda _: DOWN
    first = iter([DOWN])
    stage.server.reply = lambda _: next(first, answering())
    assert len(stage.classify("a", "b", "c")) == 1
    assert stage.counts(live)["errors"] == 2


def test_a_message_that_was_received_before_is_the_current_models_alone(stage: Stage) -> None:
    """So a candidate that kills the function costs an image one receive."""
    stage.step(stage="weights", weight=100, compared_share=100)
    assert stage.classify("a", "b", receive_count=2) == []
    assert stage.models() == {"balls@1.0"}
    assert stage.candidate.images == []


def test_an_answer_of_another_model_is_none_of_the_candidates_and_counts_as_version_mismatch(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    live = stage.step(stage="weights", weight=100, compared_share=0)
    stage.candidate.reply = lambda _: saying("golf ball", CANDIDATE.model_copy(update={"version": "1.9"}))
    assert stage.classify("a") == []
    assert stage.models() == {"balls@1.0"}
    assert stage.counts(live)["mismatched"] == 1
    assert counted(metrics_of(capsys))["VersionMismatch"] == 1


@pytest.mark.parametrize(
    ("bad", "metric"), [("rugby ball", "RolloutDisagreementHigh"), (None, "RolloutErrorsHigh")], ids=str
)
def test_a_candidate_beyond_a_limit_raises_the_alarms_metric_and_is_asked_no_more(
    stage: Stage, capsys: pytest.CaptureFixture[str], bad: str | None, metric: str
) -> None:
    stage.step(stage="weights", weight=100, compared_share=100)
    if bad is None:
        stage.candidate.reply = stage.candidate.reply_to_tar = lambda _: DOWN  # type: ignore[assignment]
    else:
        stage.candidate.reply = lambda _: saying(bad)
    assert stage.classify(*[f"{n}" for n in range(12)]) == []
    assert counted(metrics_of(capsys))[metric] == 1
    requests = len(stage.candidate.images)
    assert stage.classify("later") == []
    assert len(stage.candidate.images) == requests
    [later] = [row for row in stage.aws.rows() if "later" in row.image]
    assert later.model == "balls@1.0"


def test_a_rollback_is_known_to_every_process_within_half_a_minute(stage: Stage) -> None:
    live = stage.step(stage="weights", weight=100, compared_share=0)
    stage.classify("a")
    now = datetime.now(UTC)
    assert stage.rollouts.roll_back(by="alarm", reason="bad", at=now, noticed_at=now)
    stage.classify("b")  # not read yet
    stage.now_s += READ_EVERY_S
    stage.classify("c")
    assert {row.image[-5:]: row.model for row in stage.aws.rows()} == {
        "a.jpg": live.candidate.ref, "b.jpg": live.candidate.ref, "c.jpg": "balls@1.0",
    }  # fmt: skip


def test_a_ledger_that_cannot_be_read_ends_the_candidate_after_some_minutes_and_no_image_waits(stage: Stage) -> None:
    stage.step(stage="weights", weight=100, compared_share=0)
    stage.classify("a")
    stage.connections.trials.rollouts = Rollouts(stage.aws.dynamodb, "no-such-table")
    stage.now_s += READ_EVERY_S
    assert stage.classify("b") == []
    stage.now_s += TRUSTED_FOR_S
    assert stage.classify("c") == []
    assert [row.model for row in stage.aws.rows()] == ["balls@2.0", "balls@2.0", "balls@1.0"]


def test_a_tally_that_cannot_be_written_costs_no_image_anything(stage: Stage) -> None:
    stage.step(compared_share=100)
    stage.classify("a")
    stage.connections.trials.rollouts = Rollouts(stage.aws.dynamodb, "no-such-table")
    assert stage.classify("b") == []
    assert len(stage.aws.rows()) == 2


def test_after_the_deployment_of_the_candidate_its_rollout_does_nothing(stage: Stage) -> None:
    """No gap: the functions of before and after the deployment send all images to the same model."""
    stage.step(stage="weights", weight=100, compared_share=100)
    stage.connections.trials.configured = ModelFacts(name="balls", version="2.0")
    assert stage.classify("a") == []
    assert stage.candidate.images == []


def test_the_server_may_answer_as_the_candidate_while_its_rollout_lives(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its default version is changed some seconds before the stack is deployed with it."""
    stage.step(stage="weights", weight=100, compared_share=0)
    stage.server.reply = lambda _: saying("golf ball")
    assert stage.classify("a", receive_count=2) == []
    assert "VersionMismatch" not in counted(metrics_of(capsys))


def order(image: ImageRef, **changes: object) -> str:
    return body_of(Order.model_validate({"image": image, "batch": "monday"} | changes))


def test_an_image_that_is_shown_to_both_is_compared_whatever_its_share_and_answered_by_the_current_model(
    stage: Stage,
) -> None:
    live = stage.step(stage="weights", weight=100, compared_share=0)
    image = stage.aws.upload("incoming/monday/a.jpg")
    assert failed(invoke(sqs_event(order(image, sender="rollout")))) == []
    assert stage.models() == {"balls@1.0"}
    assert stage.counts(live)["compared"] == 1


def test_an_image_that_is_shown_to_both_tells_a_process_of_a_rollout_that_has_just_begun(stage: Stage) -> None:
    stage.classify("before")
    live = stage.step()
    stage.now_s -= READ_EVERY_S  # it has read the ledger just before
    image = stage.aws.upload("incoming/monday/a.jpg")
    assert failed(invoke(sqs_event(order(image, sender="rollout")))) == []
    assert stage.counts(live)["compared"] == 1


def test_an_order_for_a_certain_model_gets_that_model(stage: Stage) -> None:
    stage.step(stage="weights", weight=100, compared_share=100)
    image = stage.aws.upload("incoming/monday/a.jpg")
    ordered = order(image, sender="reclassify", model=ModelFacts(name="balls", version="1.0"))
    assert failed(invoke(sqs_event(ordered))) == []
    assert stage.server.paths == ["/predictions/balls/1.0"]
    assert stage.candidate.images == []


def test_the_candidate_of_the_stacks_own_server_is_asked_by_its_version(stage: Stage) -> None:
    stage.step(candidate_url=None, compared_share=100)
    assert stage.classify("a") == []
    assert sorted(stage.server.paths) == ["/predictions/balls", "/predictions/balls/2.0"]


def test_a_closed_candidate_is_let_go(stage: Stage) -> None:
    """A model in the function holds memory."""
    closed: list[bool] = []

    class Closes:
        def images_at_once(self) -> int:
            return 20

        def close(self) -> None:
            closed.append(True)

    stage.connections.trials.open_candidate = lambda _: Closes()  # type: ignore[assignment, return-value]
    live = stage.step(compared_share=0)
    stage.classify("a")
    assert closed == []
    stage.step(**live.model_dump(include={"started_at"}), stage="rolled_back", ended_at=BEGUN)
    stage.classify("b")
    assert closed == [True]
