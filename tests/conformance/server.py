"""A model server under test, over HTTP: what is sent to it, and what comes back."""

from __future__ import annotations

import http.client
import io
import json
import socket
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import urllib3

TIMEOUT_S = 60.0
OCTETS = "application/octet-stream"
CHUNK = 2000  # bytes; a pipe comes in pieces of any size
Named = Sequence[tuple[str, bytes]]


class NotOffered(Exception):
    """The contract leaves it to the server whether it does this, and it does not: a sentence."""


class Response(NamedTuple):
    """One HTTP response, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:  # noqa: ANN401 (JSON)
        """The body as JSON; a body that is none is a broken promise."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise AssertionError(f"status {self.status} with a body that is no JSON: {self.body[:200]!r}") from error


@dataclass(frozen=True)
class Server:
    """One model on one server."""

    url: str
    model: str
    token: str | None = None
    patience_s: float = 15.0  # with a request that is never sent whole
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=32), compare=False)

    def post(self, body: bytes, path: str = "", *, verb: str = "predictions", **headers: str) -> Response:
        """Send a body to /predictions/NAME + `path`; `X_Top_K` is the header X-Top-K."""
        sent = {"Content-Type": OCTETS} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self._ask("POST", f"/{verb}/{self.model}{path}", body=body, headers=sent)

    def put(self, body: bytes) -> Response:
        """Send a body as `curl -T FILE` does."""
        return self._ask("PUT", f"/predictions/{self.model}", body=body, headers={})

    def pipe(self, body: bytes, method: str = "PUT") -> Response:
        """Send a body in chunks, its length unannounced, as `curl -T -` does with what is piped into it."""
        chunks = (body[at : at + CHUNK] for at in range(0, len(body), CHUNK))
        return self._ask(method, f"/predictions/{self.model}", body=chunks, headers={})

    def post_form(self, images: Named) -> Response:
        """Send images as the file fields of a form."""
        fields = {name: (f"{name}.jpg", data, "image/jpeg") for name, data in images}
        body, content_type = urllib3.encode_multipart_formdata(fields)
        return self.post(body, Content_Type=content_type)

    def get(self, path: str) -> Response:
        """GET a path of the server."""
        return self._ask("GET", path, body=None, headers={})

    def begin_upload(self, size_bytes: int) -> Response:
        """Announce a body of this size, send little of it, and wait for a response."""
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=self.patience_s)
        try:
            connection.putrequest("POST", f"/predictions/{self.model}")
            for name, value in {"Content-Length": str(size_bytes), "Content-Type": OCTETS, **self._credentials}.items():
                connection.putheader(name, value)
            connection.endheaders()
            with suppress(ConnectionError):  # who has answered already may have closed the connection
                connection.send(b"\xff\xd8\xff" + bytes(1000))
            response = connection.getresponse()
            return Response(response.status, dict(response.headers), response.read())
        except TimeoutError as error:
            raise AssertionError(f"no answer within {self.patience_s:g} s: it waits for the whole body") from error
        finally:
            connection.close()

    def post_half_closed(self, body: bytes) -> Response:
        """Send a body and close our side of the connection; the other side is read to its end."""
        with self._connected() as connection:
            lines = {"Host": "x", "Content-Length": str(len(body)), "Content-Type": OCTETS, **self._credentials}
            head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            connection.sendall(f"POST /predictions/{self.model} HTTP/1.1\r\n{head}\r\n".encode() + body)
            connection.shutdown(socket.SHUT_WR)
            response = http.client.HTTPResponse(connection, method="POST")
            try:
                response.begin()  # passes over interim responses
                return Response(response.status, dict(response.headers), response.read())
            except (http.client.HTTPException, OSError) as error:
                raise AssertionError(f"whoever closes only its own side gets no answer: {error!r}") from error

    def hangs_up_on(self, beginning: bytes) -> bool:
        """Whether a connection on which no more than this comes is closed within our patience."""
        with self._connected() as connection:
            connection.sendall(beginning)
            try:
                while connection.recv(2**16):
                    pass
            except TimeoutError:
                return False
            except ConnectionError:
                return True
            return True

    def _connected(self) -> socket.socket:
        """A connection without TLS, which has no half-closed ones that every side knows."""
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            raise NotOffered("Behind TLS it is not the server that decides on connections.")
        return socket.create_connection((parts.hostname or "", parts.port or 80), timeout=self.patience_s)

    @property
    def _credentials(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def _ask(
        self, method: str, path: str, *, body: bytes | Iterable[bytes] | None, headers: Mapping[str, str]
    ) -> Response:
        try:
            reply = self.pool.request(
                method, self.url + path, body=body, headers={**headers, **self._credentials}, timeout=TIMEOUT_S,
                retries=False,
            )  # fmt: skip
        except (urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError) as error:
            raise AssertionError(f"{method} {path} is not answered: {error}") from error
        return Response(reply.status, reply.headers, reply.data)


Promise = Callable[[Server], None]  # asserts it


def tar_of(images: Named, kind: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of named images, uncompressed."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=kind) as tar:
        for name, data in images:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return written.getvalue()
