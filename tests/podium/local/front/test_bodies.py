"""Bodies that are signed in parts: the examples of S3's documentation, whole and damaged."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from podium.local.front.bodies import WHOLE_BODY_BYTES, Gone, Message, check_chunks, read_whole
from podium.local.front.refusals import Refused
from podium.local.front.signatures import Claim, signing_key

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CHUNKED = (
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    (
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ),
    b"\r\n",
)
TRAILED = (
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    (
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ),
    b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
)


def claim(seed: str) -> Claim:
    return Claim("AKIAIOSFODNN7EXAMPLE", "20130524", "us-east-1", "s3", ("host",), seed, "20130524T000000Z", "", None)


def body(signatures: Sequence[str], end: bytes) -> bytes:
    parts = [b"a" * 65536, b"a" * 1024, b""]
    chunks = [
        f"{len(part):x};chunk-signature={signature}\r\n".encode() + part + (b"\r\n" if part else b"")
        for part, signature in zip(parts, signatures, strict=True)
    ]
    return b"".join(chunks) + end


def check(seed: str, content: bytes) -> None:
    check_chunks(content, claim(seed), signing_key(claim(seed), SECRET))


@pytest.mark.parametrize(("seed", "signatures", "end"), [CHUNKED, TRAILED])
def test_the_examples_of_the_documentation_pass(seed: str, signatures: Sequence[str], end: bytes) -> None:
    check(seed, body(signatures, end))


@pytest.mark.parametrize(("seed", "signatures", "end"), [CHUNKED, TRAILED])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"aaa\r\n400;", b"aab\r\n400;"),
        (b"400;chunk-signature=", b"3ff;chunk-signature="),
        (b"10000;", b"-1;"),
        (b"10000;", b"fffffff;"),
        (b"10000;", b"ffffffffffff;"),
        (b"10000;", "²;".encode()),
        (b"10000;chunk-signature=", b"10000"),
        (b"0;chunk-signature=", b""),
    ],
)
def test_a_part_that_is_not_the_signed_one_is_refused(
    seed: str, signatures: Sequence[str], end: bytes, old: bytes, new: bytes
) -> None:
    whole = body(signatures, end)
    assert old in whole
    with pytest.raises(Refused):
        check(seed, whole.replace(old, new, 1))


def test_a_body_that_is_cut_anywhere_is_refused() -> None:
    seed, signatures, end = CHUNKED
    whole = body(signatures, b"")
    for length in (0, 1, 5, 80, 90, 65000, len(whole) - 200, len(whole) - 90, len(whole) - 10):
        with pytest.raises(Refused):
            check(seed, whole[:length])
    check(seed, whole + end)


def test_trailers_must_be_signed() -> None:
    seed, signatures, _ = TRAILED
    with pytest.raises(Refused):
        check(seed, body(signatures, b"x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n"))
    with pytest.raises(Refused):
        check(seed, body(signatures, TRAILED[2].replace(b"sOO8", b"tOO8")))


def test_a_body_larger_than_any_that_is_signed_whole_is_refused_before_it_is_held() -> None:
    given = 0

    async def endless() -> Message:
        nonlocal given
        given += 2**20
        return {"type": "http.request", "body": bytes(2**20), "more_body": True}

    with pytest.raises(Refused):
        asyncio.run(read_whole(endless))
    assert given <= WHOLE_BODY_BYTES + 2**20


def test_a_client_that_hangs_up_is_gone() -> None:
    async def hung_up() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(Gone):
        asyncio.run(read_whole(hung_up))
