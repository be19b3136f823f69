"""The command line itself: it starts fast, an error is one line, and exit codes have meanings."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperOption

from podium.project import LocalStack
from podium.shown.shell import exports
from tests.podium.commands.console import every_command, refused

HEAVY = (
    "torch", "torchvision", "timm", "numpy", "PIL", "sklearn", "scipy", "cleanlab", "jinja2", "safetensors",
    "boto3", "botocore", "pydantic", "rich.table",
)  # fmt: skip


def podium(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "podium", *arguments],
        env={**os.environ, "PODIUM_HOME": str(home), "COLUMNS": "200"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_help_lists_every_verb_and_the_exit_codes(tmp_path: Path) -> None:
    done = podium(tmp_path, "--help")
    assert done.returncode == 0
    for verb in ("up", "down", "status", "deploy", "env", "train", "package", "drop", "watch", "results", "demo"):
        assert f" {verb} " in done.stdout
    assert "3 not finished" in done.stdout


def test_the_console_starts_without_anything_heavy() -> None:
    """So `podium --help` answers within half a second; no stopwatch is read here."""
    code = f"import podium.app, podium.__main__, sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


WRONG = [
    (["watch", "monday"], 1, "podium up"),
    (["status"], 1, "podium up"),
    (["env"], 1, "podium up"),
    (["drop", "/nowhere/at/all", "--batch", "monday"], 2, "/nowhere/at/all does not exist"),
    (["drop", ".", "--batch", "a/b"], 2, "cannot name a batch"),
    (["deploy", "--stack", "prod"], 2, "add --yes"),
    (["deploy", "--archive", "x.mar", "--model-server-url", "http://models"], 2, "--archive is for a model inside"),
    (["deploy", "--archive", "nowhere.mar"], 1, "no archive at nowhere.mar"),
    (["deploy", "--stack", "Prod", "--model-server-url", "http://models"], 2, "'Prod' cannot be a stack's name"),
    (["deploy", "--stack", "prod", "--model-server-url", "http://models"], 2, "add --yes"),
    (["status", "--stack", ""], 2, "--stack '' is blank"),
    (["deploy", "--parameter", "ModelServers"], 2, "must read Name=Value"),
    (["deploy", "--model", "balls"], 2, "must read NAME@VERSION"),
    (["deploy", "--parameter", "ModelServer=4"], 2, "has no parameter 'ModelServer'. Did you mean ModelServers?"),
    (
        ["deploy", "--stack", "prod", "--parameter", "Bogus=1", "--yes"],
        2,
        "has no parameter 'Bogus'. It has ModelServerUrl, ",
    ),
    (
        ["deploy", "--model-server-url", "notaurl"],
        2,
        "--model-server-url 'notaurl' must be http(s)://host[:port] without a path, or empty.",
    ),
    (["deploy", "--model", f"{'m' * 65}@1"], 2, f"--model '{'m' * 65}' must match"),
    (["results", "--status", "lost"], 2, "--status lost: give classified or rejected."),
    (["results", "--limit", "0"], 2, "--limit 0: give a whole number, at least 1."),
    (["results", "--limit", "1e9"], 2, "--limit 1e9: give a whole number, at least 1."),
    (["results", "--min", "nan"], 2, "--min nan: give a number from 0 to 1."),
    (["watch", "monday", "--timeout", "inf"], 2, "--timeout inf: give a number, at least 1."),
    (["redrive", "--rate", "-1"], 2, "--rate -1: give a number, at least 0.1."),
    (["render", "balls", "--image-size", "5"], 2, "--image-size 5: give a whole number from 16 to 1024."),
    (["drop", ".", "--batch", "--wait"], 2, "--batch needs a value, and --wait follows it."),
    (["deploy", "--stack", "-y"], 2, "--stack needs a value, and -y follows it."),
    (["train", "photos", "--resume", "--json"], 2, "--resume needs a value, and --json follows it."),
    (["evaluate", "/nowhere"], 2, "/nowhere does not exist. Give the folder of a run."),
    (["compare", "/", "/nowhere"], 2, "/nowhere does not exist. Give the folder of a run."),
    (["package", "/nowhere"], 2, "/nowhere does not exist. Give the folder of a run."),
    (["predict", "photos", "--run", "/nowhere"], 2, "/nowhere does not exist. Give the folder of a run."),
    (["train", "--resume", "/nowhere"], 2, "/nowhere does not exist. Give the folder of a run."),
    (["render", "/dev/null"], 1, "a part of the path is a file, and a folder is needed"),
    (["render", "balls", "--images-per-class", "1", "--seed", "9" * 12], 2, "numbers go from 0 to 999999999"),
    (["up", "--archive", "no.mar"], 1, "podium package RUN"),
    (["redrive"], 1, "podium up"),
    (["reclassify", "--model", "balls", "--batch", "monday"], 2, "NAME@VERSION"),
    (["reclassify", "--model", "balls@2.0"], 2, "which images?"),
    (["backfill", "s3://archive/photos"], 1, "podium up"),
    (["destroy"], 2, "which stack? Name it with --stack"),
    (["reindex"], 1, "podium up"),
]
# The console runs once for each line of arguments, all in one process: starting Python every time would take longer.
EACH = """
import contextlib, io, json, sys
from podium.__main__ import main
for arguments in json.load(sys.stdin):
    sys.argv, out, err, code = ["podium", *arguments], io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """Exit code, stdout and stderr of each wrong line, by its words."""
    home = tmp_path_factory.mktemp("wrong")
    done = subprocess.run(
        [sys.executable, "-c", EACH],
        input=json.dumps([arguments for arguments, _, _ in WRONG]),
        env={**os.environ, "PODIUM_HOME": str(home), "COLUMNS": "200"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not (home / "emulator.pid").exists(), "a wrong line started something"
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return {" ".join(wrong[0]): tuple(answer) for wrong, answer in zip(WRONG, answers, strict=True)}


@pytest.mark.parametrize(("arguments", "code", "sentence"), WRONG)
def test_what_is_wrong_is_one_line_that_says_what_to_do(
    printed: dict[str, tuple[int, str, str]], arguments: list[str], code: int, sentence: str
) -> None:
    exit_code, out, err = printed[" ".join(arguments)]
    assert exit_code == code
    assert sentence in err
    assert err.count("\n") == 1
    assert out == ""


ON_AWS = [
    ["status"],
    ["deploy", "--model-server-url", "http://models", "--yes"],
    ["destroy", "--yes"],
    ["drop", __file__, "--batch", "monday"],
    ["watch", "monday"],
    ["results"],
    ["redrive"],
    ["reclassify", "--model", "balls@2.0", "--batch", "monday"],
    ["backfill", "s3://archive/photos"],
    ["cost", "--batch", "monday"],
    ["reindex"],
    ["rollout", "start", "balls@2.0"],
    ["rollout", "status"],
    ["rollout", "promote"],
    ["rollout", "rollback"],
]


def test_every_command_with_stack_is_tried() -> None:
    with_stack = {name for name, it in every_command().items() if any("--stack" in each.opts for each in it.params)}
    tried = {" ".join(words[: 2 if words[0] == "rollout" else 1]) for words in ON_AWS}
    assert with_stack == tried | {"doctor"}  # which goes on, and has its own test


def in_a_local_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> subprocess.CompletedProcess[str]:
    """Nobody listens at the proxy, through which requests to AWS go here; nor at the endpoint, which must get none."""
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    lines = [
        *exports(LocalStack(emulator_port=1, inference_port=2, management_port=3, metrics_port=4, secret="s"), "aws"),
        "export HTTPS_PROXY=http://127.0.0.1:9",
        shlex.join([sys.executable, "-m", "podium", *words, "--stack", "prod"]),
    ]
    return subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        env={**os.environ, "PODIUM_HOME": str(tmp_path), "AWS_CONFIG_FILE": os.devnull, "NO_PROXY": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("words", ON_AWS, ids=" ".join)
def test_with_stack_a_shell_of_the_local_stack_asks_aws_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    done = in_a_local_shell(tmp_path, monkeypatch, words)
    assert done.returncode == 1
    assert "AWS cannot be reached (failed to connect to proxy URL" in done.stderr
    assert done.stderr.count("\n") == 1


def test_in_a_shell_of_the_local_stack_doctor_says_so_and_asks_aws_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = in_a_local_shell(tmp_path, monkeypatch, ["doctor"])
    assert done.returncode == 1
    assert "podium env --unset" in done.stdout
    assert "AWS cannot be reached (failed to connect to proxy URL" in done.stdout


NO_VALUE = [
    (name, option)
    for name, command in every_command().items()
    for it in command.params
    if isinstance(it, TyperOption) and not it.is_flag
    for option in it.opts
]


@pytest.mark.parametrize(("name", "option"), NO_VALUE)
def test_an_option_without_its_value_is_an_error(name: str, option: str) -> None:
    assert f"{option} needs a value, and --json follows it" in refused(*name.split(), option, "--json")


def test_a_reader_that_has_gone_is_no_traceback(tmp_path: Path) -> None:
    """As in `podium recipes | head -1`."""
    reads, writes = os.pipe()
    os.close(reads)
    for form in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "podium", "recipes", *form],
            env={**os.environ, "PODIUM_HOME": str(tmp_path)}, stdout=writes, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "BrokenPipe" not in done.stderr
    os.close(writes)


@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), ("2>&-", 2), ("<&-", 0)])
def test_a_stream_that_the_shell_has_closed_leads_nowhere(closed: str, code: int) -> None:
    command = f"{shlex.quote(sys.executable)} -m podium recipes {'quik' if code else 'quick'} {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_no_color_is_obeyed(tmp_path: Path) -> None:
    """Also on a terminal, which typer asks for."""
    for variables, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        persons, consoles = pty.openpty()
        subprocess.run(
            [sys.executable, "-m", "podium", "watch", "monday"],
            env={**os.environ, "PODIUM_HOME": str(tmp_path), **variables}, stderr=consoles, check=False,
        )  # fmt: skip
        os.close(consoles)
        assert (b"\x1b[" in os.read(persons, 10_000)) == coloured
        os.close(persons)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        os.environ["PODIUM_EMULATOR_PORT"] = str(port)
        try:
            done = podium(tmp_path, "up")
        finally:
            del os.environ["PODIUM_EMULATOR_PORT"]
    assert done.returncode == 1
    assert f"port {port} (PODIUM_EMULATOR_PORT) is taken by " in done.stderr
    assert f"(pid {os.getpid()}). Stop it, or choose another." in done.stderr


def test_down_without_anything_running_says_so(tmp_path: Path) -> None:
    done = podium(tmp_path, "down")
    assert (done.returncode, done.stderr.strip()) == (0, "nothing was running.")


def test_local_state_is_kept_and_read_again(tmp_path: Path) -> None:
    chosen = {
        "emulator_port": 4566,
        "inference_port": 8080,
        "management_port": 8081,
        "metrics_port": 8082,
        "secret": "local",
    }
    (tmp_path / "local.json").write_text(json.dumps(chosen))
    done = podium(tmp_path, "env")
    assert done.returncode == 0
    assert "export AWS_ENDPOINT_URL=https://127.0.0.1:4566" in done.stdout
    assert "export AWS_CA_BUNDLE=" in done.stdout
