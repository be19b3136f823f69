"""What `podium doctor` says of this machine."""

from __future__ import annotations

from pathlib import Path

from podium.doctor.machine import (
    GIB,
    NEEDED_GIB,
    disk_finding,
    java_finding,
    look_at_machine,
    python_finding,
    tools_finding,
)


def test_a_machine_on_which_the_tests_run_is_looked_at_whole() -> None:
    assert [one.subject for one in look_at_machine()] == ["Python", "Java", "SAM and AWS CLI", "port", "disk"]


def test_an_older_python_is_mended_by_make() -> None:
    assert python_finding((3, 13)).is_well
    assert python_finding((3, 14)).is_well
    assert python_finding((3, 12)).mend == "make install"


def test_java_is_that_of_the_wheel() -> None:
    assert java_finding().is_well
    assert java_finding().found.endswith("/bin/java")


def test_a_missing_tool_is_named(tmp_path: Path) -> None:
    (tmp_path / "sam").touch()
    assert tools_finding(tmp_path).found == f"no aws in {tmp_path}"
    assert tools_finding(tmp_path).mend == "make install"
    (tmp_path / "aws").touch()
    assert tools_finding(tmp_path).is_well


def test_a_full_disk_is_named_with_what_is_free(tmp_path: Path) -> None:
    full = disk_finding(NEEDED_GIB * GIB - 1, tmp_path)
    assert (full.found, full.is_well) == (f"{NEEDED_GIB:.1f} GiB free at {tmp_path}", False)
    assert disk_finding(NEEDED_GIB * GIB, tmp_path).is_well
