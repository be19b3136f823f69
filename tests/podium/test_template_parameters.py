"""The parameters of template.yaml: a misspelt name and a value that it refuses end the command before a build."""

from __future__ import annotations

import re

import pytest

from podium.errors import EXIT_USAGE, ConsoleError
from podium.project import ROOT
from podium.template_parameters import check_parameter, template_parameters

TEMPLATE = ROOT / "template.yaml"


def test_every_parameter_of_the_template_is_known() -> None:
    text = TEMPLATE.read_text()
    block = text[text.index("Parameters:\n") : text.index("Mappings:\n")]
    assert list(template_parameters(TEMPLATE)) == re.findall(r"^  (\w+):$", block, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("modelservers", "Did you mean ModelServers?"),
        ("AlarmMail", "Did you mean AlarmEmail?"),
        ("SubnetId", "Did you mean SubnetIds?"),
        ("Bogus", "It has ModelServerUrl, ModelArchive, "),
        ("", "It has ModelServerUrl, "),
    ],
)
def test_a_misspelt_parameter_is_refused_with_the_nearest_name(name: str, sentence: str) -> None:
    with pytest.raises(ConsoleError, match=f"has no parameter '{name}'. {re.escape(sentence)}") as refused:
        check_parameter(name, "1", f"--parameter {name}", TEMPLATE)
    assert refused.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ModelServers", "3", "--parameter ModelServers '3' must be 1 or 2 or 4 or 8 or 16 or 32."),
        ("Architecture", "arm", "--parameter Architecture 'arm' must be arm64 or x86_64."),
        ("ModelServerUrl", "http://models/path", "must be http(s)://host[:port] without a path, or empty."),
        ("ModelArchive", "balls.mar", "must be a key under models/ in the results bucket, or empty."),
        ("ModelArchiveSha256", "AB", "must be 64 hexadecimal digits in small letters, or empty."),
        ("ModelServerTokenSecret", "name", "must be the whole ARN of a secret"),
        ("ExistingBucket", "Photos", "'Photos' must match ^$|"),
    ],
)
def test_a_value_that_the_template_refuses_is_told_what_it_may_be(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ConsoleError, match=re.escape(sentence)):
        check_parameter(name, value, f"--parameter {name}", TEMPLATE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ModelServers", "4"), ("Architecture", "x86_64"), ("ModelServerUrl", "https://models.internal:8080"),
        ("ModelServerTokenSecret", ""), ("ExistingBucket", ""), ("ExistingBucket", "photos"), ("AlarmEmail", ""),
        ("SubnetIds", "subnet-1,subnet-2"), ("ModelVersion", "1.0"),
    ],
)  # fmt: skip
def test_a_value_that_the_template_takes_is_taken(name: str, value: str) -> None:
    check_parameter(name, value, "--parameter", TEMPLATE)
