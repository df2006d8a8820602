"""How much of a run is left, from what earlier launches took and from what this one did so far."""

from pathlib import Path

import pytest

from llmdvfs.benchmark import progress
from llmdvfs.benchmark.progress import time_left
from llmdvfs.records.places import PROGRESS, store_entry
from llmdvfs.records.progress import ExpectedCell, RunProgress, length_in_words
from llmdvfs.records.store import write_record, write_text


def run_of(results: Path, *expected_s: float, done: int) -> Path:
    """Write a run of cells that are thought to take so long, begun at 1000 s, of which the first are in the store."""
    cells = tuple(ExpectedCell(f"key-{number}", each, 1) for number, each in enumerate(expected_s))
    write_record(results / PROGRESS, RunProgress(1000.0, cells))
    for cell in cells[:done]:
        write_text(store_entry(results, cell.key) / "run.json", "{}")
    return results


def test_what_is_left_takes_as_much_longer_as_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cells of 30 s took 90 s with their server start: the four others, 120 s expected, will take 180."""
    monkeypatch.setattr(progress, "unix_s", lambda: 1090.0)
    assert time_left(run_of(tmp_path, *[30.0] * 6, done=2)) == "2 of 6 cells, about 3 min left"


def test_the_last_cell_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "unix_s", lambda: 1090.0)
    assert time_left(run_of(tmp_path, 30.0, 30.0, done=2)) == "2 of 2 cells"


def test_before_the_first_cell_the_expectation_stands(tmp_path: Path) -> None:
    assert time_left(run_of(tmp_path, 30.0, 30.0, done=0)) == "0 of 2 cells, about 1 min left"


def test_a_benchmark_that_was_started_by_hand_has_no_run_to_tell_of(tmp_path: Path) -> None:
    assert time_left(tmp_path) is None


@pytest.mark.parametrize(
    ("length_s", "words"), [(4.4, "4 s"), (59, "59 s"), (840, "14 min"), (3600, "1 h 00 min"), (7500, "2 h 05 min")]
)
def test_lengths_of_time_as_people_say_them(length_s: float, words: str) -> None:
    assert length_in_words(length_s) == words
