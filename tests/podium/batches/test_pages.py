"""Results page by page, forwards and backwards."""

from __future__ import annotations

import pytest

from podium.batches.pages import page_of
from podium.batches.rows import RowFilter
from podium.connection import Connection
from podium.errors import ConsoleError
from tests.podium.conftest import INPUT, put_row

OF_MONDAY = RowFilter(batch="monday", label="baseball")


@pytest.fixture
def full(connection: Connection) -> Connection:
    for number in range(11):
        put_row(connection, f"incoming/monday/{number:02}.jpg", probability=0.5 + number // 2 / 20)
    put_row(connection, "incoming/tuesday/x.jpg")
    return connection


def keys(page_rows: object) -> list[str]:
    assert isinstance(page_rows, tuple)
    return [row.image.removeprefix(f"s3://{INPUT}/incoming/") for row in page_rows]


@pytest.mark.parametrize("size", [1, 4, 11, 50])
def test_pages_forwards_and_back_have_every_row_once(full: Connection, size: int) -> None:
    page = page_of(full, OF_MONDAY, size)
    pages = [page]
    while page.next:
        page = page_of(full, OF_MONDAY, size, page.next)
        pages.append(page)
    found = [key for it in pages for key in keys(it.rows)]
    assert sorted(found) == [f"monday/{number:02}.jpg" for number in range(11)]
    probabilities = [row.probability or 0.0 for it in pages for row in it.rows]
    assert probabilities == sorted(probabilities, reverse=True)
    for expected in reversed(pages[:-1]):
        assert page.previous is not None
        page = page_of(full, OF_MONDAY, size, page.previous)
        assert keys(page.rows) == keys(expected.rows)
    assert page.previous is None


@pytest.mark.parametrize(
    "row_filter",
    [RowFilter(batch="monday"), RowFilter(label="baseball"), RowFilter(batch="monday", min_probability=0.6)],
)
def test_whatever_an_index_finds_has_pages(full: Connection, row_filter: RowFilter) -> None:
    first = page_of(full, row_filter, 3)
    second = page_of(full, row_filter, 3, first.next)
    assert len({*keys(first.rows), *keys(second.rows)}) == 6


def test_what_no_index_finds_has_no_pages(full: Connection) -> None:
    for row_filter in (RowFilter(), RowFilter(batch="monday", image="incoming/monday/00.jpg")):
        with pytest.raises(ConsoleError, match="pages are of a batch, a label"):
            page_of(full, row_filter, 3)


def test_a_name_that_cannot_be_has_an_empty_page(full: Connection) -> None:
    assert page_of(full, RowFilter(batch="a/b\udcff"), 3).rows == ()


@pytest.mark.parametrize("cursor", ["nonsense!", "bm9uc2Vuc2U", "é", "W10"])
def test_what_is_no_cursor_is_refused(full: Connection, cursor: str) -> None:
    with pytest.raises(ConsoleError, match="cursor"):
        page_of(full, OF_MONDAY, 3, cursor)


def test_a_cursor_of_other_results_is_refused(full: Connection) -> None:
    cursor = page_of(full, OF_MONDAY, 3).next
    with pytest.raises(ConsoleError, match="of other results"):
        page_of(full, RowFilter(batch="monday", label="golf ball"), 3, cursor)
