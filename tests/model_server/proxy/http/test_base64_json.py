"""Images as base64 in JSON, as the clients of TorchServe, KServe and TF Serving send them."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http import bodies
from proxy.http.base64_json import FIELDS, MOST_COMMAS, read_json
from serving.bundle import write_bundle
from serving.requests import BadRequest
from tests.model_server.proxy.proxies import MODEL, FakeTorchServe, proxied, run

JSON = {"Content-Type": "application/json"}
# Bytes whose base64 has every sign that differs between alphabets, and padding.
AWKWARD = b"golf \xfb\xff\xfe" + bytes(range(256)) + b"."


def b64(image: bytes) -> str:
    return base64.b64encode(image).decode()


def labels(document: dict[str, Any]) -> list[str | int]:
    """The best class of each instance, or the status of its refusal."""
    return [it["predictions"][0]["label"] if it["status"] == 200 else it["status"] for it in document["predictions"]]


@pytest.mark.parametrize(
    "instance",
    [
        pytest.param({"data": b64(b"golf ")}, id="TorchServe"),
        pytest.param({"body": b64(b"golf ")}, id="TorchServe, the other name"),
        pytest.param({"b64": b64(b"golf ")}, id="TF Serving"),
        pytest.param({"image_bytes": {"b64": b64(b"golf ")}}, id="TF Serving, a named input"),
        pytest.param({"data": {"b64": b64(b"golf ")}}, id="KServe"),
        pytest.param(b64(b"golf "), id="a string alone"),
    ],
)
def test_instances_are_answered_with_predictions_in_their_order(instance: object) -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            body = json.dumps({"instances": [{"data": b64(b"tennis ")}, instance]})
            status, document, _ = await proxy.post(body.encode(), **JSON)
            assert (status, document["model"]) == (200, MODEL)
            assert labels(document) == ["tennis", "golf"]
            assert document["predictions"][1] == {
                "status": 200, "predictions": [{"label": "golf", "probability": 0.9}], "uncertain": None
            }  # fmt: skip
            assert "answers" not in document

    run(scenario())


@pytest.mark.parametrize("path", ["/v1/models/balls:predict", "/v1/models/balls/versions/1.0:predict"])
def test_the_paths_of_kserve_and_tf_serving_lead_to_the_model(path: str) -> None:
    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy:
            body = json.dumps({"signature_name": "serving_default", "instances": [{"b64": b64(b"golf ")}]})
            status, document, _ = await proxy.post(body.encode(), path, **JSON)
            assert (status, labels(document)) == (200, ["golf"])
            assert fake.requests[-1][0] == ("/predictions/balls/1.0" if "versions" in path else "/predictions/balls")
            status, document, _ = await proxy.post(body.encode(), path.replace("balls", "cats"), **JSON)
            assert (status, document["message"]) == (404, "There is no model 'cats' here. Its models: balls.")

    run(scenario())


@pytest.mark.parametrize("name", ["data", "body", "b64", "image"])
def test_one_image_as_json_is_answered_like_its_bytes(name: str) -> None:
    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy:
            body = json.dumps({name: b64(AWKWARD), "top_k": 2}).encode()
            answered = await proxy.post(body, **JSON)
            assert answered[:2] == (await proxy.post(AWKWARD))[:2]
            assert fake.groups[-2:] == [[AWKWARD]] * 2
            assert [top_k for _, top_k in fake.requests[-2:]] == ["2", None]

    run(scenario())


@pytest.mark.parametrize(
    "text",
    [
        base64.encodebytes(AWKWARD).decode(),
        base64.urlsafe_b64encode(AWKWARD).decode(),
        b64(AWKWARD).rstrip("="),
        f"data:image/jpeg;base64,{b64(AWKWARD)}",
        b64(AWKWARD).replace("/", "\\/"),
    ],
    ids=["lines, as base64 writes them", "the alphabet of URLs", "no padding", "a data URL", "escaped slashes"],
)
def test_base64_comes_in_many_ways_and_means_the_same_bytes(text: str) -> None:
    body = json.dumps({"data": text}).replace("\\\\/", "\\/").encode()
    found = read_json(body, declared=True, hold=lambda _: None)
    assert found.images == [AWKWARD]


def test_a_bad_image_among_instances_never_fails_its_neighbours() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            odd: list[object] = [
                "%%%",
                {"data": "a"},
                {"data": "ü"},
                7,
                None,
                {},
                {"data": [1, 2]},
                {"b64": {"b64": {}}},
            ]
            sent = [{"data": b64(b"golf ")}, *odd, {"data": b64(b"bad")}, {"data": b64(b"tennis ")}]
            status, document, _ = await proxy.post(json.dumps({"instances": sent}).encode(), **JSON)
            assert status == 200
            assert labels(document) == ["golf", 422, 422, 422, 400, 400, 400, 400, 400, 415, "tennis"]
            for entry in document["predictions"][1:9]:
                assert entry["code"] in {"unreadable", "bad_request"}
                assert entry["error"].endswith(".")

    run(scenario())


def test_instances_that_are_all_bad_are_answered_each() -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            _, document, _ = await proxy.post(b'{"instances": ["%", {}]}', **JSON)
            assert labels(document) == [422, 400]
            assert document["model"] == MODEL

    run(scenario())


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"instances": [', 400, "bad_request"),
        (b'{"instances": []}', 400, "bad_request"),
        (b'{"instances": "aGk="}', 400, "bad_request"),
        (b'{"inputs": {"b64": "aGk="}}', 400, "bad_request"),
        (b"{}", 400, "bad_request"),
        (b'{"data": "%"}', 422, "unreadable"),
        (b'{"data": 7}', 400, "bad_request"),
        (b'{"data": "\xff"}', 400, "bad_request"),
        (b'{"instances": [' + b'{"data": "aGk="},' * 64 + b'{"data": "aGk="}]}', 413, "too_large"),
        (b'{"a":' * 4000 + b"1" + b"}" * 4000, 400, "bad_request"),
    ],
)
def test_json_that_holds_no_images_is_refused_in_words(body: bytes, status: int, code: str) -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            found, document, _ = await proxy.post(body, **JSON)
            assert (found, document["code"]) == (status, code)
            assert " " in document["error"]
            assert (await proxy.post(b"golf "))[0] == 200

    run(scenario())


@pytest.mark.parametrize(
    "body",
    [b'[{"data": "aGk="}]', b' [["aGk="]]', b"[" * 10_000, b'"aGk="', b"7", b"-1.5", b"null", b"true\n", b"[", b"\xef\xbb\xbf[]"],
)  # fmt: skip
def test_what_is_said_to_be_json_and_is_no_object_is_told_the_shape(body: bytes) -> None:
    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy:
            sent = len(fake.groups)
            status, document, _ = await proxy.post(body, **JSON)
            assert (status, document["code"]) == (400, "bad_request")
            assert 'Send {"instances": [{"data": BASE64}, ...]}' in document["error"]
            assert len(fake.groups) == sent, "it was taken for a photo"

    run(scenario())


def test_a_tar_whose_sender_calls_it_json_is_a_tar_whatever_its_first_name() -> None:
    tar = b"".join(bytes(piece) for piece in write_bundle([("[1].jpg", b"golf "), ("2.jpg", b"tennis ")]))

    async def scenario() -> None:
        async with proxied() as proxy:
            for kind in (JSON, {"Content-Type": "application/octet-stream"}):
                status, document, _ = await proxy.post(tar, **kind)
                assert status == 200
                assert [each["predictions"][0]["label"] for each in document["answers"]] == ["golf", "tennis"]

    run(scenario())


def test_arrays_of_numbers_are_refused_before_they_grow_in_memory() -> None:
    """A megabyte of them would be fifty of Python's objects."""
    body = b'{"instances": [[' + b"0," * (MOST_COMMAS + 1) + b"0]]}"
    with pytest.raises(BadRequest, match="such as arrays of numbers"):
        read_json(body, declared=True, hold=lambda _: None)


UNDECLARED = ("application/x-www-form-urlencoded", "application/octet-stream", "image/jpeg", "text/plain")


@pytest.mark.parametrize("kind", UNDECLARED)
@pytest.mark.parametrize("body", [b'{"inputs": [1]}', b'[{"data": "aGk="}]', b"{}", b" []", b"\xef\xbb\xbf{}"])
def test_json_that_is_not_said_to_be_that_is_told_the_shape_as_if_it_were(body: bytes, kind: str) -> None:
    """curl -d calls it a form."""

    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy:
            sent = len(fake.groups)
            declared = await proxy.post(body, **JSON)
            undeclared = await proxy.post(body, **{"Content-Type": kind})
            assert undeclared[:2] == declared[:2]
            assert declared[0] == 400
            assert len(fake.groups) == sent, "it was taken for a photo"

    run(scenario())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"data": "aGk=", ', "it breaks off or is wrong at character 18"),
        (b"{", "it breaks off or is wrong at character 2"),
        (b"[section]", "it breaks off or is wrong at character 2"),
        (b'{"data": "\xff"}', "it is no text from byte 11 on"),
        (b"[" * 10_000, "it is nested too deep"),
        (b"[" + b"7" * 5_000 + b"]", "it holds a number of thousands of digits"),
        (b"[" + b"1," * (MOST_COMMAS + 1), "it holds more than images in base64, such as arrays of numbers"),
    ],
    ids=["cut", "one sign", "settings", "bytes", "deep", "digits", "commas"],
)
def test_what_begins_like_json_and_is_none_is_no_image_and_is_told_where_it_ends(body: bytes, why: str) -> None:
    async def scenario() -> None:
        async with proxied() as proxy:
            status, document, _ = await proxy.post(body, **{"Content-Type": "application/octet-stream"})
            assert (status, document["code"]) == (415, "unsupported_format")
            assert document["error"].startswith(f"This is text, and no image. If JSON is meant: {why}. Send ")
            status, document, _ = await proxy.post(body, **JSON)
            assert (status, document["code"]) == (400, "bad_request")
            assert document["error"].startswith(f"The body is no JSON: {why}. Send ")

    run(scenario())


def test_images_in_json_and_photos_are_both_read_whatever_they_are_said_to_be() -> None:
    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy:
            sent = json.dumps({"data": b64(b"golf ")}).encode()
            for kind in UNDECLARED:
                _, document, _ = await proxy.post(sent, **{"Content-Type": kind})
                assert document["predictions"][0]["label"] == "golf"
            await proxy.post(b"golf ball", **JSON)
            assert fake.groups[-1] == [b"golf ball"], "a photo whose sender calls it JSON"

    run(scenario())


def test_the_limits_hold_for_what_the_base64_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "IMAGE_BYTES", 3000)
    monkeypatch.setattr("proxy.http.server.IMAGE_BYTES", 3000)
    monkeypatch.setattr(bodies, "REQUEST_BYTES", 20000)

    async def scenario() -> None:
        async with proxied() as proxy:
            fits, over = b64(b"golf " + bytes(2995)), b64(b"golf " + bytes(2996))
            assert (await proxy.post(json.dumps({"data": fits}).encode(), **JSON))[0] == 200
            status, document, _ = await proxy.post(json.dumps({"data": over}).encode(), **JSON)
            assert (status, document["code"]) == (413, "too_large")
            _, document, _ = await proxy.post(json.dumps({"instances": [fits, over, fits]}).encode(), **JSON)
            assert labels(document) == ["golf", 413, "golf"]
            status, document, _ = await proxy.post(json.dumps({"instances": [fits] * 6}).encode(), **JSON)
            assert (status, document["code"]) == (413, "too_large")
            assert proxy.memory.held_bytes == 0

    run(scenario())


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary().map(b64),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from([*FIELDS, "instances", "top_k"]), inner)
    ),
)


@given(
    document=ANY_JSON | st.dictionaries(st.sampled_from([*FIELDS, "instances", "top_k"]), ANY_JSON),
    declared=st.booleans(),
)
def test_whatever_json_comes_there_are_images_or_a_sentence(document: object, declared: bool) -> None:
    with suppress(BadRequest):
        assert read_json(json.dumps(document).encode(), declared=declared, hold=lambda _: None).images


@given(body=st.binary().map(lambda rest: b"{" + rest), declared=st.booleans())
def test_whatever_bytes_come_there_are_images_or_a_sentence(body: bytes, declared: bool) -> None:
    with suppress(BadRequest):
        read_json(body, declared=declared, hold=lambda _: None)


def test_a_heat_map_of_one_image_as_json_is_made_and_of_instances_it_is_not() -> None:
    async def scenario() -> None:
        fake = FakeTorchServe()
        async with proxied(fake) as proxy:
            await proxy.post(json.dumps({"data": b64(b"golf ")}).encode(), "/explanations/balls", **JSON)
            assert fake.groups[-1] == [b"golf "]
            sent = json.dumps({"instances": [b64(b"golf ")]}).encode()
            status, document, _ = await proxy.post(sent, "/explanations/balls", **JSON)
            assert (status, document["code"]) == (400, "bad_request")

    run(scenario())
