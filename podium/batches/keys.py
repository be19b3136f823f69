"""Which names can be keys of S3, and which of these are made here: none with a control character.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""

from __future__ import annotations

import re

from pipeline.contracts import KEY_LIMIT_BYTES

_CONTROL = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\ufffe\\uffff]"
)  # the last two are no characters, and XML has none of them


def why_no_key(key: str) -> str | None:
    """Why S3 has no such key; None if it may have one."""
    try:
        size_bytes = len(key.encode())
    except UnicodeEncodeError as error:
        return f"{key[error.start]!a} in it is no text, and keys of S3 are UTF-8"
    return (
        f"a key has at most {KEY_LIMIT_BYTES} bytes, and it has {size_bytes}" if size_bytes > KEY_LIMIT_BYTES else None
    )


def why_not_made(key: str) -> str | None:
    """Why no object is made under the key: S3 has no such key, or its naming rules advise against it; None if one is."""
    if found := _CONTROL.search(key):
        return f"{found[0]!a} in it is a control character, which S3's naming rules advise against and lists of XML cannot name"
    return why_no_key(key)
