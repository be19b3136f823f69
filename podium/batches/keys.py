"""Which names can be keys of S3, and which of these are made here: none with a control character.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""

from __future__ import annotations

import re

from pipeline.contracts import INCOMING_PREFIX, KEY_LIMIT_BYTES

INDEX_LIMIT_BYTES = (
    2048  # of a partition key, https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
)
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


def may_be_batch(name: str) -> bool:
    """Whether keys can lie in a batch of that name, whoever makes them; no request is needed for one that cannot be."""
    return why_no_key(f"{INCOMING_PREFIX}{name}/") is None


def may_be_indexed(text: str) -> bool:
    """Whether a row can be found by this text, as an image or a label: DynamoDB's keys are UTF-8, up to a length."""
    try:
        return len(text.encode()) <= INDEX_LIMIT_BYTES
    except UnicodeEncodeError:
        return False


def why_not_made(key: str) -> str | None:
    """Why no object is made under the key: S3 has no such key, or its naming rules advise against it; None if one is."""
    if found := _CONTROL.search(key):
        return f"{found[0]!a} in it is a control character, which S3's naming rules advise against and lists of XML cannot name"
    return why_no_key(key)
