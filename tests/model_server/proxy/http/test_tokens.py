"""Bearer tokens: several at once, read again when the file changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.http.tokens import NoTokens, Tokens


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "tokens").write_text("old-token\n\n  new-token \n")
    return tmp_path / "tokens"


@pytest.mark.parametrize("header", ["Bearer old-token", "bearer new-token", "Bearer  new-token "])
def test_every_token_of_the_file_is_valid(file: Path, header: str) -> None:
    assert Tokens(file).allow(header)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer old", "Basic old-token", "old-token", "Bearer \udcff"]
)
def test_nothing_else_is(file: Path, header: str | None) -> None:
    assert not Tokens(file).allow(header)


def test_a_changed_file_is_read_again(file: Path) -> None:
    tokens = Tokens(file)
    file.write_text("newest-token\n")
    assert tokens.allow("Bearer newest-token")
    assert not tokens.allow("Bearer old-token")


def test_a_file_that_is_away_changes_nothing_and_an_empty_one_lets_nobody_in(file: Path) -> None:
    tokens = Tokens(file)
    file.unlink()
    assert tokens.allow("Bearer old-token")
    file.write_text("")
    assert not tokens.allow("Bearer old-token")
    assert not tokens.allow("Bearer ")


@pytest.mark.parametrize("content", [None, "", "\n \n"])
def test_a_file_without_tokens_is_refused_at_the_start(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "tokens").write_text(content)
    with pytest.raises(NoTokens, match="holds no token"):
        Tokens(tmp_path / "tokens")
