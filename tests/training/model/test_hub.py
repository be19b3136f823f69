"""One request finds out whether the hub is there: without a network, its library alone would try for a minute."""

from __future__ import annotations

import socket

import pytest
from huggingface_hub import constants

from training.model.hub import answers, reached_once


def test_a_hub_that_answers_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with reached_once(lambda _: True):
        assert not constants.HF_HUB_OFFLINE


def test_without_a_network_downloaded_weights_are_taken_and_others_fail_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with reached_once(lambda _: False):
        assert constants.HF_HUB_OFFLINE
    with pytest.raises(OSError, match="does not answer"), reached_once(lambda _: False):
        raise FileNotFoundError("set HF_HUB_OFFLINE to 0")
    assert not constants.HF_HUB_OFFLINE


def test_a_person_who_is_offline_by_choice_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with reached_once(lambda _: pytest.fail("asked")):
        pass
    assert constants.HF_HUB_OFFLINE


def test_a_closed_port_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert not answers(f"http://127.0.0.1:{port}")
