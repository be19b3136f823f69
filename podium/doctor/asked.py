"""Questions to AWS: one that is refused is a finding itself, and the others are asked all the same."""

from __future__ import annotations

from collections.abc import Iterator

from podium.aws_errors import raised_by_boto3, sentence_of
from podium.doctor.finding import Finding, Part


def as_far_as_allowed(part: Part, subject: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings, up to the first that AWS does not answer: a missing permission, above all."""
    try:
        yield from findings
    except raised_by_boto3() as error:
        yield Finding(part, subject, "AWS did not say", "what is not known may stop you", sentence_of(error, "AWS"))
