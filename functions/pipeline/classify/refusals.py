"""What S3's refusal to hand over an image means: the image's fault, ours, or nothing that lasts. By its error code. No I/O.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; the table with the reasons: docs/pipeline.md
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from pipeline.contracts import RejectionCode
from pipeline.errors import ImageRejected, ImageUnavailable

QUOTED_CHARACTERS = 300  # of S3's own message: long enough for the ARN of a key or of a role

# The image's fault: however often it is tried, the same bytes are refused until somebody does something to the object.
_KEY_IS_OFF: tuple[RejectionCode, str] = (
    "encrypted",
    "The KMS key that the image is encrypted with is disabled, deleted or about to be ({message}): enable it and run "
    "`podium backfill` over the prefix, or upload the image again.",
)
_REJECTED: dict[str, tuple[RejectionCode, str]] = {
    "NoSuchKey": ("gone", "The image was deleted before it was classified."),
    "NoSuchVersion": ("gone", "The image was deleted for good before it was classified."),
    "InvalidArgument": ("gone", "The image never had the version that its message names ({message})."),  # no id of S3's
    "MethodNotAllowed": ("gone", "The image is a delete marker, not an image."),
    "PreconditionFailed": (
        "gone",
        "The image was overwritten before it was classified; the newer upload has its own message.",
    ),
    "InvalidObjectState": (
        "archived",
        "The image lies in an archive ({archive}): restore it (`aws s3api restore-object`), and when that is done run "
        "`podium backfill` over its prefix.",
    ),
    "InvalidRequest": (
        "encrypted",
        "The image is encrypted with a key that only its uploader has, SSE-C ({message}): upload or copy it again "
        "without one.",
    ),
    "KMS.DisabledException": _KEY_IS_OFF,
    "KMS.KMSInvalidStateException": _KEY_IS_OFF,  # pending deletion, above all
    "KMS.NotFoundException": _KEY_IS_OFF,
}

# Ours: an operator can allow it, and then the same message succeeds.
_ASK_AWS = "AWS has closed the account or the bucket: ask AWS Support"
_UNAVAILABLE = {
    "AccessDenied": "allow the function s3:GetObject and s3:GetObjectVersion on it, and kms:Decrypt on its key, in the "
    "policies of role, bucket and key (a bucket of another account whose requester pays is not read: copy its images)",
    "NoSuchBucket": "there is no such bucket: make it again",
    "AllAccessDisabled": _ASK_AWS,
    "AccountProblem": _ASK_AWS,
    "InvalidPayer": _ASK_AWS,
    "NotSignedUp": _ASK_AWS,
}


def refusal_in(error: ClientError) -> ImageRejected | ImageUnavailable | None:
    """What the refusal means; None for an error that may pass by itself."""
    answer = error.response["Error"]
    code, message = answer["Code"], answer.get("Message", "").rstrip(".")[:QUOTED_CHARACTERS]
    if code in _REJECTED:
        rejection, sentence = _REJECTED[code]
        return ImageRejected(rejection, sentence.format(message=message, archive=_archive(error)))
    if code in _UNAVAILABLE:
        said = f"{code}: {message}" if message else code
        return ImageUnavailable(f"S3 refuses the image ({said}): {_UNAVAILABLE[code]}. Then `podium redrive`.")
    return None


def _archive(error: ClientError) -> str:
    """The storage class or the access tier, as S3 names them beside the error."""
    answer = error.response["Error"]
    return str(answer.get("AccessTier") or answer.get("StorageClass") or "its storage class")
