"""A local stack that lost something says so, and is made anew; a stack of its own, without a model."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from tests.stack.conftest import Console, until

pytestmark = pytest.mark.stack

ROW = '{"image": {"S": "s3://x/y.jpg"}, "model": {"S": "balls@1.0"}}'


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """The embedded AWS with the template, an object in its input bucket and a row in its table."""
    console = Console(tmp_path_factory.mktemp("lost") / "home")
    try:
        console.podium("up")
        console.shell(f"aws dynamodb put-item --table-name podium-results --item '{ROW}'")
        console.shell("echo 'a photo' | aws s3 cp - 's3://podium-input-000000000000-us-east-1/other/a b+ü.txt'")
        yield console
    finally:
        console.run("down", "--delete-data")


def rows(console: Console) -> int:
    return int(console.shell("aws dynamodb scan --table-name podium-results --select COUNT --query Count").strip())


def damage(console: Console, *names: str, content: bytes = b"") -> None:
    console.podium("down")
    for name in names:
        (console.home / "emulator" / name).write_bytes(content)


def refused(console: Console) -> str:
    """What `podium up` prints without a terminal."""
    done = console.run("up")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("name", "content"), [("dynamodb", b'{"__ministack_format__": 3, "payload": {"tab'), ("lambda", b"")]
)
def test_a_damaged_file_of_the_state_is_replaced_by_its_copy(bare: Console, name: str, content: bytes) -> None:
    damage(bare, f"state/{name}.json", content=content)
    (bare.home / "emulator.pid").write_text("")
    assert f"{name}.json is" in (said := refused(bare))
    assert "`podium up --yes` will put the copies in their place" in said
    assert f"{name}.json is" in bare.run("up", "--yes").stderr
    assert rows(bare) == 1


def test_a_killed_emulator_has_lost_a_minute_and_says_so(bare: Console) -> None:
    pid = int((bare.home / "emulator.pid").read_text())
    state = bare.home / "emulator" / "state" / "dynamodb.json"
    before = state.stat().st_mtime_ns
    os.kill(pid, signal.SIGUSR1)  # as after every deployment
    until("the state is saved", lambda: state.stat().st_mtime_ns > before)
    os.kill(pid, signal.SIGKILL)
    assert "the embedded AWS was killed" in bare.run("up").stderr
    assert rows(bare) == 1


def test_a_pid_file_that_is_lost_does_not_lose_the_emulator(bare: Console) -> None:
    pid = int((bare.home / "emulator.pid").read_text())
    (bare.home / "emulator.pid").write_text("")
    bare.podium("up")
    assert rows(bare) == 1
    assert "stopped the embedded AWS" in bare.run("down").stderr
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    bare.podium("up")


def test_what_cannot_be_mended_is_made_anew_with_the_objects_that_were_there(bare: Console) -> None:
    bare.shell("aws dynamodb delete-table --table-name podium-results")
    assert "the embedded AWS has lost table podium-results." in refused(bare)
    assert "the embedded AWS has lost table podium-results." in " ".join(bare.run("deploy").stderr.split())
    bare.podium("down")
    for folder in ("state", "state-copy"):  # as after a kill before the first deployment was saved
        shutil.rmtree(bare.home / "emulator" / folder)
    assert "has the stack's buckets, and the stack itself no more" in (said := refused(bare))
    assert "`podium up --yes` will make the stack anew, put the objects of its buckets back" in said
    bare.podium("up", "--yes")
    assert rows(bare) == 0
    assert bare.shell("aws s3 cp 's3://podium-input-000000000000-us-east-1/other/a b+ü.txt' -") == "a photo\n"


def test_objects_that_are_gone_from_the_disk_are_counted_and_the_stack_goes_on_without_them(bare: Console) -> None:
    bare.podium("down")
    shutil.rmtree(bare.home / "emulator" / "s3")
    said = refused(bare)
    assert "objects of the embedded AWS are gone from " in said
    assert "1 of 1 in podium-input-000000000000-us-east-1 (such as 'other/a b+ü.txt')" in said
    assert "1 of 1 in podium-input-" in " ".join(bare.run("up", "--yes").stderr.split())
    bare.podium("down")
    bare.podium("up")


def test_a_stack_whose_ports_are_lost_keeps_that_of_its_queues(bare: Console) -> None:
    port = bare.json("status")["endpoint_url"]
    for name in ("local.json", "local.copy.json"):
        (bare.home / name).unlink()
    bare.podium("up")
    now = bare.json("status")
    assert now["endpoint_url"] == port
    assert now["queue_url"].startswith(f"{port}/")


def test_a_proxy_of_the_person_lies_not_between_the_console_and_the_stack(bare: Console) -> None:
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:1")
    bare.environment |= nowhere
    try:
        pid = (bare.home / "emulator.pid").read_text()
        bare.podium("up")
        assert (bare.home / "emulator.pid").read_text() == pid
        bare.podium("down")
        bare.podium("deploy", "--parameter", "ModelServers=2")
        assert "podium-input-" in bare.shell("aws s3 ls")
        assert (bare.home / ".aws-sam" / "deps").is_dir()  # and not in the checkout
    finally:
        for name in nowhere:
            del bare.environment[name]
