"""TorchServe as the proxy speaks to it: one tar for a group of images, over connections that are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from proxy.groups.tarring import tar_pieces
from proxy.groups.waiting import Job, Key
from proxy.responses import GroupFailed, HeatMap, ImageResponse, Response, deal, deal_rejection
from proxy.torchserve.probe_picture import probe_picture

CONNECT_S = 5.0
ANSWER_S = 150.0  # TorchServe kills a worker after its responseTimeout, 120 s; this outlasts that and a restart
PASSED_ON = ("Content-Type", "X-Label", "X-Probability", "X-Engine")
_UNSENT = ("User-Agent", "Accept", "Accept-Encoding")


def open_session() -> aiohttp.ClientSession:
    """The connections of one proxy to its TorchServe."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=CONNECT_S),
        skip_auto_headers=_UNSENT,
        trust_env=False,
    )


class Upstream:
    """One model behind TorchServe's inference address, which a restart may move."""

    def __init__(self, session: aiohttp.ClientSession, address: Callable[[], str], model: str) -> None:
        self._session = session
        self._address = address
        self._model = quote(model, safe="")

    async def send(self, key: Key, group: Sequence[Job]) -> Sequence[Response]:
        """A response for each image of a group. Raises GroupFailed if TorchServe gave none."""
        if key.alone:
            return [await self._explain(key, group[0].image)]
        one_request = all(job.request is group[0].request for job in group)
        return await self._predict(key, [job.image for job in group], one_request=one_request)

    async def probe(self) -> Mapping[str, Any]:
        """The model's facts, from its response to the probe picture. Raises GroupFailed if there is none."""
        [response] = await self._predict(Key("predictions"), [probe_picture()], one_request=True)
        if response.status != 200:
            raise GroupFailed(f"the golden picture is answered {response.status}: {dict(response.entry)}")
        model = response.shared.get("model")
        return model if isinstance(model, dict) else {}

    async def _predict(self, key: Key, images: Sequence[memoryview], *, one_request: bool) -> list[ImageResponse]:
        status, body, _ = await self._post(key, tar_pieces(images))
        return deal(status, body, len(images), one_request=one_request)

    async def _explain(self, key: Key, image: memoryview) -> Response:
        status, body, headers = await self._post(key, [image])
        if status == 200 and not headers.get("Content-Type", "").startswith("application/json"):
            return HeatMap(body, {name: headers[name] for name in PASSED_ON if name in headers})
        return deal_rejection(status, body)

    async def _post(self, key: Key, pieces: Iterable[bytes | memoryview]) -> tuple[int, bytes, Mapping[str, str]]:
        try:
            async with self._session.post(self._url(key), data=Pieces(pieces), headers=_headers(key)) as response:
                return response.status, await response.read(), response.headers
        except (aiohttp.ClientError, OSError) as error:  # a time-out is an OSError
            raise GroupFailed(f"TorchServe did not answer: {error!r}") from error

    def _url(self, key: Key) -> URL:
        version = f"/{quote(key.version, safe='')}" if key.version else ""
        return URL(f"{self._address()}/{key.verb}/{self._model}{version}", encoded=True)


def _headers(key: Key) -> dict[str, str]:
    """The number of classes as it was sent, whatever it is: the handler says what is wrong with it."""
    return {} if key.top_k is None else {"X-Top-K": quote(key.top_k[:40], safe="", errors="replace")}


class Pieces(aiohttp.Payload):
    """A body in pieces that are not copied; aiohttp's own payload would join them."""

    _value: list[bytes | bytearray | memoryview]
    _autoclose = True

    def __init__(self, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
        super().__init__([piece for piece in pieces if len(piece)], content_type="application/octet-stream")
        self._size = sum(map(len, self._value))

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it."""
        for piece in self._value:
            await writer.write(piece)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Never used: the pieces are images."""
        return b"".join(self._value).decode(encoding, errors)
