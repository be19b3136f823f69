"""docs/aws.md, from an empty account to a result: every parameter is explained, and every command is one that its tool takes."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from podium.app import app
from podium.project import TOOLS
from podium.template_parameters import template_parameters
from tests.model_server.dockerfile import DOCKERFILE

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "aws.md").read_text()
TEMPLATES = {"template.yaml": "template.yaml", "network.yaml": "model_server/network.yaml", "gpu-stack.yaml": "model_server/gpu-stack.yaml"}  # fmt: skip
OF_THE_SHELL = {"cp", "export", "make", "source", "sha256sum"}
# What these commands of Docker's are given on the page; whoever changes them tries them by hand.
OF_DOCKER = {"build": {"--platform", "--file", "--tag"}, "push": set(), "login": {"--username", "--password-stdin"}}
AWS_TAKES_A_TEMPLATE_OF = 51_200  # bytes, in a request; larger ones must be uploaded first


def commands() -> Iterator[list[str]]:
    """Every command of the page's blocks, as words: those of a pipe and of `$(...)` each by itself."""
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words: list[str] = []
            for token in [*lexer, ";"]:
                if set(token) <= set("();<>|&"):
                    if words and not words[-1].endswith("=$"):
                        yield words
                    elif words:
                        yield words[:-1]
                    words = []
                else:
                    words.append(token)


def of(tool: str) -> list[list[str]]:
    return [words for words in commands() if words[0] == tool]


def table_below(heading: str) -> dict[str, list[str]]:
    """The cells of the table below a heading, by its first column."""
    section = PAGE.partition(f"\n### Parameters of {heading}\n")[2].partition("\n#")[0]
    rows = [row.strip("|").split("|") for row in section.splitlines() if row.startswith("| `")]
    return {name.strip(" `"): [cell.strip() for cell in cells] for name, *cells in rows}


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_parameter_of_a_template_is_explained_with_its_source_and_no_other(template: str) -> None:
    explained = table_below(template)
    assert set(explained) == set(template_parameters(ROOT / TEMPLATES[template]))
    for name, cells in explained.items():
        assert len(cells) == 2, name
        assert all(cells), name


def test_every_command_is_of_a_tool_that_is_held() -> None:
    assert {words[0] for words in commands()} == {"aws", "sam", "podium", "docker"} | OF_THE_SHELL


def test_every_podium_command_is_taken_by_our_own_parser() -> None:
    group = typer.main.get_group(app)
    assert len(of("podium")) >= 8
    for _, verb, *words in of("podium"):
        command = group.get_command(typer.Context(group), verb)
        assert command is not None, verb
        command.make_context(verb, [re.sub(r"^runs/\.\.\.$", str(ROOT), word) for word in words])


@pytest.mark.skipif(not (TOOLS / "python").exists(), reason="needs the tools' environment: make install")
def test_every_command_of_aws_and_sam_is_taken_by_their_own_parsers() -> None:
    """With the names of the parameters in what is sent; the CLIs that `make install` brings, in their own environment."""
    asked = [*of("aws"), *of("sam")]
    wrong = [["aws", "s3api", "put-object", "--buket", "b"], ["sam", "deploy", "--guidde"]]
    *problems, bucket, guided = refused([*asked, *wrong])
    assert {" ".join(words): problem for words, problem in zip(asked, problems, strict=True) if problem} == {}
    assert "--bucket" in str(bucket)
    assert "--guidde" in str(guided)


def refused(asked: list[list[str]]) -> list[str | None]:
    """What is wrong with each command; the page's file and variables have no value here, and need none."""
    held = [[re.sub(r"^\.podium/models/\S+$", "README.md", word) for word in words] for words in asked]
    keys = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nobody", "AWS_DEFAULT_REGION": "us-east-1"}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "SAM_CLI_TELEMETRY": "0"}
    ran = subprocess.run(
        [TOOLS / "python", ROOT / "tests" / "understood.py"], input=json.dumps(held), cwd=ROOT, check=True, text=True,
        capture_output=True, env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **keys, **nowhere},
    )  # fmt: skip
    found: list[str | None] = json.loads(ran.stdout)
    return found


def test_every_docker_command_has_the_form_that_was_looked_up() -> None:
    for _, verb, *words in of("docker"):
        assert {word for word in words if word.startswith("--")} == OF_DOCKER[verb]
    [build] = [words for words in of("docker") if words[1] == "build"]
    assert ROOT / build[build.index("--file") + 1] == DOCKERFILE
    assert build[-1] == "."
    assert build[build.index("--platform") + 1] == "linux/amd64"  # what GPU machines are
    [push] = [words for words in of("docker") if words[1] == "push"]
    assert push[-1] == build[build.index("--tag") + 1]


@pytest.mark.parametrize("template", ["network.yaml", "gpu-stack.yaml"])
def test_a_template_is_deployed_with_all_that_it_needs_and_with_what_it_knows(template: str) -> None:
    [words] = [it for it in of("aws") if "deploy" in it and it[it.index("--template-file") + 1] == TEMPLATES[template]]
    pairs = words[words.index("--parameter-overrides") + 1 :] if "--parameter-overrides" in words else []
    given = dict(pair.split("=", 1) for pair in pairs)
    text = (ROOT / TEMPLATES[template]).read_text().partition("\nParameters:\n")[2].partition("\nMappings:")[0]
    declared = {it.partition(":")[0]: it for it in re.split(r"\n(?=  \w)", f"\n{text}") for it in [it.strip()] if it}
    needed = {name for name in template_parameters(ROOT / TEMPLATES[template]) if "Default:" not in declared[name]}
    assert needed <= set(given) <= set(template_parameters(ROOT / TEMPLATES[template]))
    assert ("--capabilities" in words) is ("AWS::IAM::Role" in (ROOT / TEMPLATES[template]).read_text())
    assert (ROOT / TEMPLATES[template]).stat().st_size <= AWS_TAKES_A_TEMPLATE_OF


def test_a_variable_is_set_before_it_is_used() -> None:
    known = {"PATH", "PWD"}
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL):
        for line in block.splitlines():
            assert set(re.findall(r"\$([A-Z_]+)", line)) <= known, line
            known |= set(re.findall(r"([A-Z_]+)=", line)) if line.startswith("export ") else set()


def test_the_roles_quotas_and_zones_are_those_that_the_doctor_looks_for() -> None:
    from podium.doctor.gpu import QUOTAS, ROLES

    assert {words[words.index("--quota-code") + 1] for words in of("aws") if "--quota-code" in words} == set(
        QUOTAS.values()
    )
    made = {words[-1] for words in of("aws") if "create-service-linked-role" in words}
    assert made == set(ROLES.values())
    assert all(name in PAGE for name in QUOTAS)
