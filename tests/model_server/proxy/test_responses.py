"""TorchServe's responses, dealt back: the image's fault stays with its image, the server's is never a 4xx."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.responses import GroupFailed, deal, deal_rejection, many, single, unavailable

MODEL = {"name": "balls", "version": "1.0", "archive_sha256": "0" * 64, "engine": "torch-fp32"}
GOOD = {"predictions": [{"label": "golf ball", "probability": 0.9}], "uncertain": None}
BAD = {"code": "unreadable", "error": "It is cut short."}
INVALID_KEY = {"code": 400, "type": "InvalidKeyException", "message": "Token Authorization failed."}
FULL = {"code": 503, "type": "ServiceUnavailableException", "message": "Model balls has no worker to serve."}
FAILED = {"code": 503, "type": "InternalServerException", "message": "Prediction failed"}


def group(*entries: dict[str, Any], **timings: float) -> bytes:
    return json.dumps({"model": MODEL, "timings": timings, "answers": list(entries)}).encode()


def entry(status: int, **fields: object) -> dict[str, Any]:
    return {"name": "0", "status": status, **fields}


def body(document: object) -> bytes:
    return json.dumps(document).encode()


def test_a_single_image_gets_its_entry_as_a_response_of_its_own() -> None:
    [response] = deal(200, group(entry(200, **GOOD), images=1, decode_ms=1.5), 1, one_request=True)
    assert single(response) == (200, {"model": MODEL, "timings": {"images": 1, "decode_ms": 1.5}, **GOOD})


def test_a_bad_image_gets_its_own_4xx_and_its_neighbour_its_classes() -> None:
    good, bad = deal(200, group(entry(200, **GOOD), entry(422, **BAD)), 2, one_request=False)
    assert single(good)[0] == 200
    assert single(bad) == (422, {"model": MODEL, **BAD})


def test_an_image_that_the_server_failed_is_to_be_sent_again() -> None:
    [response] = deal(200, group(entry(503, error="Out of memory.")), 1, one_request=True)
    status, document = single(response)
    assert (status, document["code"], document["message"]) == (503, 503, "Out of memory.")


def test_a_request_of_many_is_put_together_from_its_groups() -> None:
    first = deal(200, group(entry(200, **GOOD), entry(422, **BAD), images=2, forward_ms=3), 2, one_request=True)
    second = deal(200, group(entry(200, **GOOD), images=1, forward_ms=2), 1, one_request=True)
    status, document = many(["a.jpg", "b.jpg", "c.jpg"], first + second, {})
    assert status == 200
    assert document["model"] == MODEL
    assert document["timings"] == {"images": 3, "forward_ms": 5}
    assert [(each["name"], each["status"]) for each in document["answers"]] == [
        ("a.jpg", 200),
        ("b.jpg", 422),
        ("c.jpg", 200),
    ]


def test_one_image_of_many_that_failed_is_an_entry_and_all_that_failed_are_a_503() -> None:
    [good] = deal(200, group(entry(200, **GOOD)), 1, one_request=True)
    status, document = many(["a", "b"], [good, unavailable("It died.")], {})
    assert (status, document["answers"][1]) == (200, {"name": "b", "status": 503, "error": "It died."})
    assert many(["a", "b"], [unavailable("It died.")] * 2, {})[0] == 503


def test_a_version_that_is_not_there_fails_the_whole_request() -> None:
    document = {"code": 404, "type": "ModelVersionNotFoundException", "message": "no 2.0"}
    responses = deal(404, body(document), 2, one_request=False)
    assert many(["a", "b"], responses, {}) == (404, document)


def test_a_wrong_top_k_fails_the_request_that_sent_it() -> None:
    document = {"code": "bad_request", "error": "top_k is 99 of 4 classes.", "model": MODEL}
    [response] = deal(400, body(document), 1, one_request=True)
    assert single(response) == (400, document)
    with pytest.raises(GroupFailed):
        deal(400, body(document), 2, one_request=False)


@pytest.mark.parametrize("status", [400, 401, 405, 413, 429, 500, 507])
def test_what_torchserve_says_on_its_own_is_never_the_images_fault(status: int) -> None:
    with pytest.raises(GroupFailed):
        deal(status, body(INVALID_KEY), 1, one_request=True)
    with pytest.raises(GroupFailed):
        deal_rejection(status, body(INVALID_KEY))


def test_a_full_queue_is_a_503_and_a_failed_prediction_is_tried_again() -> None:
    assert deal(503, body(FULL), 1, one_request=True)[0].status == 503
    with pytest.raises(GroupFailed):
        deal(503, body(FAILED), 1, one_request=True)


@pytest.mark.parametrize(
    "document", [b"", b"no JSON", b"[]", b'{"answers": 3}', group(), group(entry(200), entry(200))]
)
def test_a_malformed_response_is_a_failure_of_the_group(document: bytes) -> None:
    with pytest.raises(GroupFailed):
        deal(200, document, 1, one_request=True)


def test_an_image_that_is_rejected_gets_no_heat_map_but_its_reason() -> None:
    assert single(deal_rejection(422, body({"model": MODEL, **BAD}))) == (422, {"model": MODEL, **BAD})
    with pytest.raises(GroupFailed):
        deal_rejection(200, body({"model": MODEL, **GOOD}))
