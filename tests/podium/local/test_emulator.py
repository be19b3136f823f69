"""What the embedded AWS is started with."""

from __future__ import annotations

import json
from pathlib import Path

from podium.local.emulator import forget_stream_positions


def test_a_restart_reads_streams_from_their_beginning_and_changes_nothing_else(tmp_path: Path) -> None:
    state = tmp_path / "lambda.json"
    kept = {"functions": {"a": 1}, "esms": {"b": 2}}
    state.write_text(json.dumps({"__ministack_format__": 3, "payload": kept | {"dynamodb_stream_positions": {"c": 9}}}))
    forget_stream_positions(state)
    assert json.loads(state.read_text()) == {"__ministack_format__": 3, "payload": kept}
    assert list(tmp_path.iterdir()) == [state]


def test_a_first_start_has_no_state_to_change(tmp_path: Path) -> None:
    forget_stream_positions(tmp_path / "lambda.json")
    assert list(tmp_path.iterdir()) == []
