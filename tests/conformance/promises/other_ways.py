"""An image as base64 in JSON, as clients of TorchServe, KServe and TF Serving send it, or compressed; a server may know neither."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

from tests.conformance.pictures import TEXT, cut_short, photo
from tests.conformance.responses import (
    check_model,
    check_predictions,
    check_reason,
    check_refused,
    check_same,
    classes_of,
)
from tests.conformance.server import NotOffered, Response, Server, tar_of

JSON = "application/json"
BOMB_MIB = 200  # which compresses to 200 KiB


def instances_are_answered_with_predictions_in_their_order(server: Server) -> None:
    _require_json(server)
    sent = [{"data": _b64(photo(0))}, {"b64": _b64(photo(1))}, {"image_bytes": {"b64": _b64(photo(2))}}, _b64(photo(3))]
    entries = _predictions(_post(server, {"instances": sent}), len(sent))
    for number, entry in enumerate(entries):
        check_same(_classes(entry), classes_of(server.post(photo(number))))


def a_bad_instance_has_its_own_refusal_and_its_neighbours_their_classes(server: Server) -> None:
    _require_json(server)
    sent = [_b64(photo(0)), _b64(TEXT), "%%%", {"data": 7}, _b64(cut_short()), _b64(photo(1))]
    entries = _predictions(
        _post(server, {"instances": [it if isinstance(it, dict) else {"data": it} for it in sent]}), 6
    )
    assert [entry["status"] for entry in entries] == [200, 415, 422, 400, 422, 200]
    check_same(_classes(entries[5]), classes_of(server.post(photo(1))))


def one_image_as_json_is_answered_like_its_bytes(server: Server) -> None:
    _require_json(server)
    check_same(classes_of(_post(server, {"data": _b64(photo())})), classes_of(server.post(photo())))


def json_without_an_image_is_a_bad_request(server: Server) -> None:
    _require_json(server)
    for body in (b"{", b"{}", b'{"instances": 7}', b'{"instances": []}'):
        check_refused(server.post(body, Content_Type=JSON), 400, "bad_request")
    check_refused(_post(server, {"instances": ["AA=="] * 65}), 413, "too_large")


def a_compressed_image_is_the_image(server: Server) -> None:
    _require_gzip(server)
    expected = classes_of(server.post(photo()))
    check_same(classes_of(server.post(gzip.compress(photo()), Content_Encoding="gzip")), expected)
    check_same(classes_of(server.post(zlib.compress(photo()), Content_Encoding="deflate")), expected)
    for as_the_pipeline_takes_it in (gzip.compress(photo()) + bytes(512), photo()):
        check_same(classes_of(server.post(as_the_pipeline_takes_it, Content_Encoding="gzip")), expected)
    tar = server.post(tar_of([("a.jpg", photo())]))
    assert server.post(gzip.compress(tar_of([("a.jpg", photo())])), Content_Encoding="gzip").status == tar.status


def a_compressed_image_that_is_damaged_is_a_bad_request(server: Server) -> None:
    _require_gzip(server)
    for body in (gzip.compress(photo())[:-1], gzip.compress(photo())[:-8] + bytes(8)):
        check_refused(server.post(body, Content_Encoding="gzip"), 400, "bad_request")


def a_compressed_body_that_grows_over_the_limit_is_too_large(server: Server) -> None:
    _require_gzip(server)
    machine = zlib.compressobj(9, wbits=31)
    bomb = b"".join(machine.compress(bytes(2**20)) for _ in range(BOMB_MIB)) + machine.flush()
    check_refused(server.post(bomb, Content_Encoding="gzip"), 413, "too_large")


def a_compression_that_the_server_does_not_know_is_refused_with_those_it_knows(server: Server) -> None:
    _require_gzip(server)
    answer = server.post(photo(), Content_Encoding="br")
    assert answer.status == 415, f"Content-Encoding: br is answered {answer.status}: {answer.body[:200]!r}"
    assert "gzip" in answer.headers.get("Accept-Encoding", ""), "415 without Accept-Encoding"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _post(server: Server, document: object) -> Response:
    return server.post(json.dumps(document).encode(), Content_Type=JSON)


def _require_json(server: Server) -> None:
    """Raises NotOffered if an image in JSON is refused as what is no image is, cleanly."""
    _require(_post(server, {"instances": [{"data": _b64(photo())}]}), "This server reads no JSON.")


def _require_gzip(server: Server) -> None:
    _require(server.post(gzip.compress(photo()), Content_Encoding="gzip"), "This server takes nothing compressed.")


def _require(answer: Response, sentence: str) -> None:
    if 400 <= answer.status < 500:
        raise NotOffered(sentence)
    assert answer.status == 200, f"a good image is answered {answer.status}: {answer.body[:200]!r}"


def _predictions(answer: Response, count: int) -> list[dict[str, Any]]:
    """The entries of a response to so many instances."""
    assert answer.status == 200, f"{count} instances are answered {answer.status}: {answer.body[:200]!r}"
    document = answer.document
    check_model(document.get("model"))
    entries: list[dict[str, Any]] = document.get("predictions")
    assert isinstance(entries, list), f"`predictions` is {entries!r}"
    assert len(entries) == count, f"{count} instances get {len(entries)} predictions"
    for entry in entries:
        if entry["status"] == 200:
            check_predictions(entry)
        else:
            check_reason(entry, entry["code"])
    return entries


def _classes(entry: dict[str, Any]) -> dict[str, float]:
    assert entry["status"] == 200, f"a good image is answered {entry['status']}"
    return {it["label"]: it["probability"] for it in entry["predictions"]}


PROMISES = (
    instances_are_answered_with_predictions_in_their_order,
    a_bad_instance_has_its_own_refusal_and_its_neighbours_their_classes,
    one_image_as_json_is_answered_like_its_bytes,
    json_without_an_image_is_a_bad_request,
    a_compressed_image_is_the_image,
    a_compressed_image_that_is_damaged_is_a_bad_request,
    a_compressed_body_that_grows_over_the_limit_is_too_large,
    a_compression_that_the_server_does_not_know_is_refused_with_those_it_knows,
)
