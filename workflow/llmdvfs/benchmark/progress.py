"""Tells how far a run is: cells measured, and about how much time is left."""

from pathlib import Path

from llmdvfs.benchmark.store import is_measured
from llmdvfs.clock import unix_s
from llmdvfs.errors import SchemaError
from llmdvfs.records.places import PROGRESS
from llmdvfs.records.progress import RunProgress, length_in_words
from llmdvfs.records.store import read_record


def time_left(results: Path) -> str | None:
    """Return e.g. `12 of 18 cells, about 14 min left`; None where no run has said what it is to measure.

    The cells that are left are taken to need longer than expected by the same factor as those that are done, so that
    server starts are included.
    """
    try:
        run = read_record(results / PROGRESS, RunProgress)
    except SchemaError:
        return None
    done = [cell for cell in run.cells if is_measured(results, cell.key)]
    expected_s = sum(cell.expected_s for cell in done)
    left_s = sum(cell.expected_s for cell in run.cells) - expected_s
    if expected_s > 0:
        left_s *= (unix_s() - run.started_unix_s) / expected_s
    told = f", about {length_in_words(left_s)} left" if left_s > 0 else ""
    return f"{len(done)} of {len(run.cells)} cells{told}"
