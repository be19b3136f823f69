"""A rollout in a table of a terminal's width, and as one JSON document."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

import pytest
from rich.console import Console

from pipeline.contracts import LabelProbability
from pipeline.rollout.comparison import Compared, Side
from pipeline.rollout.tally import StageTally, counts_of
from podium.care.rollout_seen import Seen
from podium.shown.rollout import document, status
from tests.functions.factories import NOON
from tests.functions.rollout.test_state import rollout

LATER = NOON + timedelta(minutes=72)


def side(label: str, probability: float, ms: float) -> Side:
    ranked = ((label, probability), ("other", (1 - probability) / 2))
    return Side(predictions=tuple(LabelProbability(label=a, probability=b) for a, b in ranked), request_ms=ms)


def pair(number: int, label: str) -> Compared:
    return Compared(
        image=f"s3://input/incoming/monday/golf ball/{number}.jpg", current_model="balls@1.0",
        candidate_model="balls@2.0", current=side("golf ball", 0.9, 30), candidate=side(label, 0.6, 60),
    )  # fmt: skip


def seen(
    *, disagreed: int = 2, configured: str = "balls@1.0", errors: int = 0, stage: Mapping[str, object] | None = None
) -> Seen:
    pairs = [pair(n, "tennis ball" if n < disagreed else "golf ball") for n in range(40)]
    counts: Counter[str] = sum(map(counts_of, pairs), Counter(errors=errors))
    return Seen(
        rollout(**(stage or {})), StageTally(counts, "it is down" if errors else None), pairs[:disagreed], configured
    )


def shown(of: Seen, width: int = 80) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(status(of, LATER))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


@pytest.mark.parametrize("width", [60, 80, 160])
def test_a_table_is_no_wider_than_the_terminal_and_has_both_models_side_by_side(width: int) -> None:
    text = shown(seen(), width)
    assert max(map(len, text.splitlines())) <= width
    lines = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert lines["mean confidence"][-2:] == ["90.0%", "60.0%"]
    assert lines["request, p50"][-4:] == ["32", "ms", "66", "ms"]


def test_agreement_has_its_interval() -> None:
    assert "same best class          95.0% (95 % interval 83.5% to 98.6%)" in shown(seen())


def test_disagreements_stand_with_both_models_classes() -> None:
    text = shown(seen(), 160)
    assert "golf ball/0.jpg   golf ball 90%, other 5%  tennis ball 60%, other 20%" in text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "shadow for 1 h 12 min; 10 % of the images are compared"),
        ({"stage": "weights", "weight": 25}, "it answers 25 % (then 50, 100) for 1 h 12 min"),
        ({"stage": "weights", "weight": 100}, "it answers 100 % for 1 h 12 min"),
        ({"stage": "rolled_back", "ended_by": "an-alarm", "reason": "It was bad."}, "rolled back by an-alarm: It was bad."),
        ({"stage": "promoted"}, "promoted: balls@2.0 is the stack's model"),
        ({"configured": "balls@2.0"}, "promoted: balls@2.0 is the stack's model"),
        ({"configured": "balls@1.5"}, "nothing: the stack's model is balls@1.5 now"),
    ],
)  # fmt: skip
def test_a_stage_is_a_sentence(changes: dict[str, object], sentence: str) -> None:
    configured = str(changes.pop("configured", "balls@1.0"))
    assert sentence in shown(seen(configured=configured, stage=changes), 160)


def test_what_keeps_it_from_the_next_stage_is_told() -> None:
    assert "40 images in this stage, 60 more before the next stage" in shown(seen())
    assert "30 of 40 images disagree with the current model; 20% are allowed" in shown(seen(disagreed=30), 160)
    assert "last error               it is down" in shown(seen(errors=3))


def test_the_document_is_json_and_has_what_the_table_has() -> None:
    found = json.loads(json.dumps(document(seen(errors=3))))
    assert (found["candidate"], found["compared"], found["same_top1"], found["errors"]) == ("balls@2.0", 40, 38, 3)
    assert found["models"]["candidate"]["mean_confidence"] == pytest.approx(0.6)
    assert found["models"]["current"]["confidence_bands"] == [0, 0, 40, 0]
    assert len(found["disagreements"]) == 2
    assert found["last_error"] == "it is down"
