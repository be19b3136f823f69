"""Keys that S3 takes and that break what takes them for names of files, URLs, lines or commands."""

from __future__ import annotations

from pipeline.contracts import INCOMING_PREFIX, KEY_LIMIT_BYTES

NAMES = (
    # the same word to a reader, two keys to S3
    "caf\u00e9.jpg",
    "cafe\u0301.jpg",
    "\u212bngstr\u00f6m.jpg",
    "\u00c5ngstr\u00f6m.jpg",
    "BALL.JPG",
    "ball.jpg",
    # not what they look like
    "\U0001f3c0\U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
    "\u202egpj.exe",
    "\u0635\u0648\u0631\u0629.jpg",
    "ze\u200bro\u200d\ufeff.jpg",
    "\uff0fslash\u2044.jpg",
    "\ue000\ufffd\U0010ffff.jpg",
    # encodings, and what looks encoded
    "a+b.jpg",
    "a b.jpg",
    "a%20b.jpg",
    "a%2Bb.jpg",
    "100%.jpg",
    "100%25.jpg",
    "100%2525.jpg",
    "%00.jpg",
    "%E9.jpg",
    "a&b=c;d.jpg",
    "a#b.jpg",
    "a?versionId=null.jpg",
    "&amp;&#233;.jpg",
    "\\u0041\\x41\\.jpg",
    # quotes, lines and controls
    "'\"`.jpg",
    "<b>{}[]|^~$.jpg",
    "two\nlines.jpg",
    "carriage\rreturn.jpg",
    "tab\tand\x0bmore.jpg",
    "\x01\x1b[31m\x7f.jpg",
    "\x85\u2028\u2029.jpg",
    # paths
    "/",
    "//two//slashes.jpg",
    "./here.jpg",
    "../up.jpg",
    "a/../../up.jpg",
    "monday/../tuesday/ball.jpg",
    "...",
    ".hidden",
    "trailing.",
    " leading and trailing ",
    "..\\..\\windows.jpg",
    "C:\\ball.jpg",
    "con",
    # other places
    "s3://other-bucket/ball.jpg",
    "https://example.com/ball.jpg",
    "file:///etc/passwd",
    "arn:aws:s3:::other-bucket/ball.jpg",
    "results/incoming/ball.jpg.json",
    "from/other-bucket/ball.jpg",
    "long-key/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    # what a result is named
    "ball.jpg.json",
    "ball.json",
    ".json",
    # commands
    "-rf",
    "$(reboot).jpg",
    "${jndi:ldap://example.com}.jpg",
    "=HYPERLINK(A1)",
    "'; DROP TABLE results; --.jpg",
    "%s%n%d.jpg",
)


def of_bytes(count: int, letter: str = "a") -> str:
    """A key of ours of so many bytes, of this letter and, if it does not fit, of dots."""
    room = count - len(INCOMING_PREFIX)
    size = len(letter.encode())
    return INCOMING_PREFIX + letter * (room // size) + "." * (room % size)


# `results/` before a key and `.json` after it are 13 bytes; so many below the limit a result is no more named by its key.
LONG = (
    *(of_bytes(KEY_LIMIT_BYTES - 13 + more) for more in (0, 1)),
    *(of_bytes(KEY_LIMIT_BYTES, letter) for letter in ("a", "é", "\U0001f3c0", "/", " ", "%")),
    of_bytes(KEY_LIMIT_BYTES - 1) + "b",
)

KEYS = (INCOMING_PREFIX, *(INCOMING_PREFIX + name for name in NAMES), *LONG)
