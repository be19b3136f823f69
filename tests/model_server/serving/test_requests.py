"""What a request asks for: one image or many, and how many classes; or a sentence about what is wrong with it."""

from __future__ import annotations

import io
import tarfile

import pytest

from serving.bundle import MAX_IMAGES, write_bundle
from serving.requests import BadRequest, ImageRequest, parse_request

CLASSES = 12


def parsed(request: dict[str, object], **headers: object) -> ImageRequest:
    return parse_request(request, headers, CLASSES)


def refused(request: dict[str, object], headers: dict[str, object] | None = None) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse_request(request, headers or {}, CLASSES)
    assert str(caught.value).endswith(".")
    return caught.value


def tar(*images: tuple[str, bytes]) -> bytes:
    return b"".join(write_bundle(images))


def test_a_raw_body_and_a_form_of_one_field_are_one_image_whatever_the_field_is_called() -> None:
    for name in ("body", "data", "a photo.jpg", "top_k.jpg"):
        assert parsed({name: bytearray(b"bytes")}) == ImageRequest(((name, b"bytes"),), many=False, top_k=3)


def test_no_body_is_one_image_without_bytes_for_that_is_how_it_is_refused() -> None:
    assert parsed({}).images == (("body", b""),)
    assert parsed({"body": b""}).images == (("body", b""),)


def test_fields_of_different_names_are_many_images_in_their_order() -> None:
    names = ["b", "a", "c"]
    found = parsed({name: name.encode() for name in names} | {"top_k": "2"})
    assert found == ImageRequest((("b", b"b"), ("a", b"a"), ("c", b"c")), many=True, top_k=2)


def test_a_tar_is_many_images_in_their_order_also_in_a_field_of_a_form() -> None:
    images = (("b.jpg", b"1"), ("a.jpg", b"2"), ("b.jpg", b"3"))
    for field in ("body", "data", "holiday.tar"):
        assert parsed({field: bytearray(tar(*images))}) == ImageRequest(images, many=True, top_k=3)


def test_a_tar_of_one_image_is_a_request_of_many() -> None:
    assert parsed({"body": tar(("a", b"1"))}) == ImageRequest((("a", b"1"),), many=True, top_k=3)


def test_a_tar_among_other_fields_is_one_image_of_them_and_refused_as_such() -> None:
    found = parsed({"a": tar(("x", b"1")), "b": b"2"})
    assert [name for name, _ in found.images] == ["a", "b"]


def test_the_images_of_a_tar_outlive_the_body() -> None:
    """TorchServe may use the buffer again."""
    body = bytearray(tar(("a", b"1")))
    [(_, data)] = parsed({"body": body}).images
    body[:] = bytes(len(body))
    assert data == b"1"


@pytest.mark.parametrize("wanted", ["5", b"5", bytearray(b"5"), 5, "05", "000000005"])
def test_the_number_of_classes_stands_in_the_query(wanted: object) -> None:
    assert parsed({"body": b"", "top_k": wanted}).top_k == 5


@pytest.mark.parametrize("name", ["x-top-k", "X-Top-K", "X-TOP-K"])
def test_the_number_of_classes_stands_in_a_header_of_any_case_and_the_query_counts_more(name: str) -> None:
    assert parsed({"body": b""}, **{name: "5", "host": "x"}).top_k == 5
    assert parsed({"body": b"", "top_k": "2"}, **{name: "5"}).top_k == 2


@pytest.mark.parametrize(
    "wanted",
    [
        "0", "13", "-1", "+1", "1.5", "1e1", "", " ", " 5", "5 ", "five", "NaN", "0x5", "5;", "²", "٣",
        b"\xff", None, [], {}, True, 5.5, "5" * 10_000, "000000001" + "9" * 5000, "0000000012",
    ],
)  # fmt: skip
def test_any_other_number_of_classes_is_refused_with_what_is_allowed(wanted: object) -> None:
    if wanted is not None:
        problem = refused({"body": b"", "top_k": wanted})
        assert (problem.status, problem.code) == (400, "bad_request")
        assert "give a number from 1 to 12" in str(problem)
        assert len(str(problem)) < 200
    problem = refused({"body": b""}, {"x-top-k": wanted if wanted is not None else "none"})
    assert "give a number from 1 to 12" in str(problem)


def test_a_model_of_two_classes_predicts_two_and_no_more_may_be_requested() -> None:
    assert parse_request({"body": b""}, {}, 2).top_k == 2
    with pytest.raises(BadRequest, match="from 1 to 2"):
        parse_request({"body": b"", "top_k": "3"}, {}, 2)


def test_more_images_than_are_answered_at_once_are_too_large_not_wrong() -> None:
    images = [(f"{n}", b"1") for n in range(MAX_IMAGES)]
    assert len(parsed({"body": tar(*images)}).images) == len(parsed(dict(images)).images) == MAX_IMAGES
    one_more = [*images, ("one", b"more")]
    requests: list[dict[str, object]] = [{"body": tar(*one_more)}, dict(one_more)]
    for request in requests:
        problem = refused(request)
        assert (problem.status, problem.code) == (413, "too_large")
        assert str(MAX_IMAGES) in str(problem)


def test_a_tar_that_cannot_be_read_is_a_bad_request() -> None:
    whole = tar(("a", b"1" * 600))
    for body in (whole[:600], whole[:-1024], whole[:100] + b"9" * 8 + whole[108:]):
        problem = refused({"body": body})
        assert (problem.status, problem.code) == (400, "bad_request")


def test_a_tar_without_files_is_a_bad_request() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        opened.addfile(folder)
    assert "holds no file" in str(refused({"body": buffer.getvalue()}))


def test_what_torchserve_decoded_comes_back_as_bytes() -> None:
    decoded = {"text": "ä", "number": 5, "list": [1, None], "half a letter": "\ud800", "nothing": None}
    assert [data for _, data in parsed(decoded).images] == ["ä".encode(), b"5", b"[1, null]", b"?", b"null"]
