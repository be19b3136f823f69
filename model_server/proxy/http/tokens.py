"""Who may send requests: bearer tokens from a file, several valid at once, so that one can be replaced without a pause."""

from __future__ import annotations

import hmac
import logging
from pathlib import Path

logger = logging.getLogger(__name__)


class NoTokens(Exception):
    """The token file cannot be used: a sentence for the person."""


class Tokens:
    """The tokens of a file, one per line; the file is read again when it changes."""

    def __init__(self, path: Path) -> None:
        """Raises NoTokens if the file is missing or holds none."""
        self._path = path
        self._seen: object = None
        self._tokens: tuple[bytes, ...] = ()
        self._reread()
        if not self._tokens:
            raise NoTokens(f"{path} holds no token that can be read. Write one into it, per line.")

    def allow(self, authorization: str | None) -> bool:
        """Whether the Authorization header carries one of the tokens; every one is compared, in constant time."""
        self._reread()
        scheme, _, token = (authorization or "").partition(" ")
        given = token.strip().encode(errors="surrogateescape")
        matches = [hmac.compare_digest(given, known) for known in self._tokens]
        return any(matches) and scheme.lower() == "bearer"

    def _reread(self) -> None:
        """A file that is missing for a moment changes nothing; an empty file lets nobody in."""
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen == self._seen:
                return
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return
        self._seen = seen
        self._tokens = tuple(line.strip() for line in lines if line.strip())
        logger.info("%s: %d tokens are valid", self._path, len(self._tokens))
