"""`podium backfill --bulk`: options that belong together, before anything is asked of AWS."""

from __future__ import annotations

import pytest

from tests.podium.commands.console import refused

BACKFILL = ("backfill", "s3://archive/2019/")


@pytest.mark.parametrize(
    "options", [["--rows"], ["--local", "2"], ["--inventory", "s3://i/manifest.json"], ["--shard-images", "5"]]
)
def test_an_option_of_bulk_without_bulk_is_refused(options: list[str]) -> None:
    assert "go with --bulk" in refused(*BACKFILL, *options)


@pytest.mark.parametrize("options", [["--manifest", "keys.txt"], ["--wait"]])
def test_an_option_that_bulk_does_not_have_is_refused(options: list[str]) -> None:
    assert options[0] in refused(*BACKFILL, "--bulk", *options)
