"""What a response must look like, whatever the request."""

from __future__ import annotations

import re
from typing import Any

from tests.conformance.server import Response

SAME = 0.02  # as far as a probability may move between two ways to send an image; half-precision engines round by batch


def check_model(model: object) -> None:
    """The model and the engine that computed."""
    assert isinstance(model, dict), f"`model` is {model!r}"
    for fact in ("name", "version", "engine"):
        assert isinstance(model.get(fact), str), f"model.{fact} is {model.get(fact)!r}"
        assert model[fact], f"model.{fact} is empty"
    assert re.fullmatch(r"[0-9a-f]{64}", str(model.get("archive_sha256"))), "model.archive_sha256 is no SHA-256"
    assert isinstance(model.get("engine_fallback", ""), str), "model.engine_fallback is no sentence"


def check_predictions(document: dict[str, Any]) -> None:
    """Classes, best first, and whether they are to be trusted."""
    predictions = document.get("predictions")
    assert isinstance(predictions, list), f"`predictions` is {predictions!r}"
    assert predictions, "no class is named"
    labels = [it["label"] for it in predictions]
    probabilities = [it["probability"] for it in predictions]
    assert all(isinstance(label, str) and label for label in labels), f"labels: {labels}"
    assert len(set(labels)) == len(labels), f"a class is named twice: {labels}"
    assert all(0 <= probability <= 1 for probability in probabilities), f"probabilities: {probabilities}"
    assert probabilities == sorted(probabilities, reverse=True), f"not best first: {probabilities}"
    assert sum(probabilities) <= 1.001, f"they add up to {sum(probabilities)}"
    assert "uncertain" in document, "`uncertain` is missing; it is null if the prediction is to be trusted"
    assert document["uncertain"] is None or isinstance(document["uncertain"], str), (
        f"`uncertain` is {document['uncertain']!r}"
    )


def classes_of(answer: Response) -> dict[str, float]:
    """The classes that one image was given; the response must be a good one."""
    assert answer.status == 200, f"a good image is answered {answer.status}: {answer.body[:200]!r}"
    assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
    document = answer.document
    check_model(document.get("model"))
    check_predictions(document)
    return {it["label"]: it["probability"] for it in document["predictions"]}


def check_refused(answer: Response, status: int, code: str) -> None:
    """A refusal in the contract's own shape."""
    assert answer.status == status, f"expected {status} {code}, found {answer.status}: {answer.body[:200]!r}"
    check_reason(answer.document, code)


def check_reason(document: dict[str, Any], code: str) -> None:
    """Why an image, or a request, is refused: a code for programs, a sentence for people."""
    assert document.get("code") == code, f"expected the code {code}, found {document.get('code')!r}"
    assert isinstance(document.get("error"), str), f"`error` is {document.get('error')!r}"
    assert " " in document["error"].strip(), f"`error` is no sentence: {document['error']!r}"


def check_same(found: dict[str, float], expected: dict[str, float]) -> None:
    """The same classes, up to rounding."""
    off = differences(found, expected)
    assert not off, "; ".join(off)


def differences(found: dict[str, float], expected: dict[str, float]) -> list[str]:
    """Classes whose probabilities differ by more than rounding, in words; none if the responses agree."""
    off = [
        f"{label}: {found[label]} and {expected[label]}"
        for label in found.keys() & expected.keys()
        if abs(found[label] - expected[label]) > SAME
    ]
    last = min([*found.values(), *expected.values()])  # a tie for the last place may be broken either way
    alone = [label for label in found.keys() ^ expected.keys() if {**found, **expected}[label] - last > SAME]
    return off + [f"{label} is in one of two responses alone" for label in alone]
