"""The fault matrix: whatever fails and whenever, it is said, nothing is left, and the next run goes on."""

from concurrent.futures import Future
from pathlib import Path

import pytest
from faults.faults import FAULTS
from faults.matrix import ROWS, Row

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row: Row, verdicts: dict[str, Future[None]]) -> None:
    verdicts[row.id].result()


def test_the_page_shows_this_table() -> None:
    told = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    rows = [line for line in told if line.count(" | ") == 4]  # the table of random faults has fewer columns
    assert [line for line in rows if line.split(" | ")[0].removeprefix("| ") in FAULTS] == [line(row) for row in ROWS]


def line(row: Row) -> str:
    said = "nothing" if row.says is None else f"`{row.says}`"
    goes_on = "by itself" if row.code == 0 else "with the next run"
    return f"| {row.what} | {row.when.name} | {said} | {row.code} | {goes_on} |"
