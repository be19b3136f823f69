"""One object of S3: its content without a Content-Encoding, and in words why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from inference.images.encodings import Joined, NotDecoded, Readable, is_compressed, unpacked
from inference.images.formats import HEAD_BYTES, READABLE, looks_like
from training.aws_trouble import SIGN_IN, UNKNOWN_KEYS
from training.errors import TrainingError, WrongInput

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

PIECE_BYTES = 2**16
UNPACKED_AT_MOST = 100 * 2**20  # bytes: ten times what the model server takes, and a bomb is a thousand times its size

_KEY_IS_OFF = "the KMS key that it is encrypted with is disabled or deleted. Enable it"
# Such an object is not read however often one tries.
_NEVER = {
    "InvalidObjectState": "it lies in an archive. Restore it (`aws s3api restore-object`)",
    "InvalidRequest": "it is encrypted with a key that only its uploader has (SSE-C). Copy it without one",
    "KMS.DisabledException": _KEY_IS_OFF,
    "KMS.KMSInvalidStateException": _KEY_IS_OFF,
    "KMS.NotFoundException": _KEY_IS_OFF,
}
_DENIED = (
    "Let your AWS profile read it: s3:ListBucket, s3:GetObject, and kms:Decrypt on its key. From a bucket whose requester pays,"
    " copy the photos first (`aws s3 cp --recursive --request-payer requester`)."
)
_NOW = {
    "AccessDenied": _DENIED,
    "403": _DENIED,
    "NoSuchKey": "It was deleted since the list was made: start again.",
    "NoSuchBucket": "Check the bucket's name, and AWS_ENDPOINT_URL.",
}


@contextmanager
def opened(client: S3Client, bucket: str, key: str, called: str) -> Iterator[tuple[Iterator[bytes], str]]:
    """The content of an object, piece by piece, and the etag of what is stored; sentences about it begin with `called`.

    Raises WrongInput for one that is never read as it is, TrainingError for one that is not read now. Other errors of
    boto3's propagate.
    """
    from botocore.exceptions import ClientError

    try:
        stored = client.get_object(Bucket=bucket, Key=key)
        with closing(stored["Body"]) as body:
            head = body.read(HEAD_BYTES)
            if is_compressed(stored.get("ContentEncoding"), head, is_image=looks_like(head) in READABLE):
                with unpacked(head, body, UNPACKED_AT_MOST) as content:
                    yield _pieces(content), stored["ETag"]
            else:
                yield _pieces(Joined(head, body)), stored["ETag"]
    except NotDecoded as error:
        raise WrongInput(f"{called} cannot be read. {error}") from error
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _NEVER:
            raise WrongInput(f"{called} cannot be read: {_NEVER[code]}, or leave it out.") from error
        raise TrainingError(f"{called} cannot be read: {said_by_s3(error)}") from error


def _pieces(content: Readable) -> Iterator[bytes]:
    return iter(partial(content.read, PIECE_BYTES), b"")


def said_by_s3(error: ClientError) -> str:
    """S3's error in its words, and what to do."""
    answer = error.response["Error"]
    code, message = answer.get("Code", ""), answer.get("Message", "").rstrip(".")
    said = f"S3 says {code} ({message})."
    advice = _NOW.get(code, SIGN_IN if code in UNKNOWN_KEYS else "")
    return f"{said} {advice}".rstrip()
