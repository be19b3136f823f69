"""The bearer token that the model server wants: a secret of Secrets Manager, read late, and again when it is refused.

Powertools reads the secret. What it cannot do stays here: threads share one failure, and a refused token is read again
at most every half minute; its own cache keeps values by the clock, and no failures.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from threading import Lock
from urllib.parse import urlsplit

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.config import Config

from pipeline.errors import ModelUnavailable

NOT_READ_FOR_S = 5.0  # after a failure: the threads of an invocation share one try, and do not queue for twenty
READ_AGAIN_AFTER_S = 30.0  # at the soonest: a server that refuses everybody is no reason to ask for every image
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # https://www.rfc-editor.org/rfc/rfc6750#section-2.1
_CLIENT = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1, "mode": "standard"})
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class BearerToken:
    """One token for all threads of a process. Whatever is wrong with it is the server's state, never the image's fault."""

    def __init__(
        self,
        secrets: SecretsProvider,
        arn: str,
        server_url: str,
        *,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._secrets = secrets
        self._arn = arn
        self._server_url = server_url
        self._now_s = now_s
        self._lock = Lock()
        self._token: str | None = None
        self._problem: str | None = None
        self._read_at_s = 0.0

    def current(self) -> str:
        """The token; raises ModelUnavailable if it would travel in clear text, cannot be read, or is none."""
        with self._lock:
            if self._problem and self._now_s() - self._read_at_s < NOT_READ_FOR_S:
                raise ModelUnavailable(self._problem)
            return self._token or self._read()

    def instead_of(self, refused: str) -> str | None:
        """What the secret holds now that the server refused this token; None if it is the same, or was read just now."""
        with self._lock:
            if self._token == refused and self._now_s() - self._read_at_s >= READ_AGAIN_AFTER_S:
                self._read()
            return self._token if self._token != refused else None

    def _read(self) -> str:
        try:
            self._token, self._problem = self._secret(), None
        except ModelUnavailable as problem:
            self._problem = str(problem)
            raise
        finally:
            self._read_at_s = self._now_s()
        return self._token

    def _secret(self) -> str:
        server = urlsplit(self._server_url)
        if server.scheme != "https" and server.hostname not in _LOOPBACK:
            raise ModelUnavailable(
                f"a token is configured, and {self._server_url} would send it in clear text: "
                f"deploy again with an https:// address as ModelServerUrl."
            )
        try:
            secret = self._secrets.get(self._arn, force_fetch=True)
        except GetParameterError as error:
            raise ModelUnavailable(
                f"the model server's token, {self._arn}, cannot be read: {error}. Does the secret exist, is its key "
                f"one that this function may use, and can Secrets Manager be reached from its subnets?"
            ) from error
        token = secret.strip() if isinstance(secret, str) else ""
        if not _TOKEN.fullmatch(token):
            raise ModelUnavailable(
                f"the secret {self._arn} holds no bearer token: its whole text must be the token, not JSON, "
                f"of letters, digits and -._~+/ alone."
            )
        return token


def token_for(secret_arn: str, server_url: str) -> BearerToken | None:
    """The token of this server; None if no secret is configured."""
    return BearerToken(SecretsProvider(boto_config=_CLIENT), secret_arn, server_url) if secret_arn else None
