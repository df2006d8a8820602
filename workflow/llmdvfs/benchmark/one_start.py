"""Makes sure that all cells of a launch come from one start of its servers."""

import logging
from pathlib import Path

from llmdvfs.benchmark.store import is_measured, measured_entry, set_aside
from llmdvfs.records.job import LaunchJob
from llmdvfs.records.places import RUN
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record

LOG = logging.getLogger(__name__)


def set_aside_other_starts(job: LaunchJob, results: Path) -> None:
    """Move the job's measurements to results/forgotten, unless all of them are there and come from one start."""
    stored = [cell.key for cell in job.cells if is_measured(results, cell.key)]
    starts = {read_record(measured_entry(results, key) / RUN, RunRecord).server_start.id for key in stored}
    if not stored or (len(stored) == len(job.cells) and len(starts) == 1):
        return
    LOG.info("%d of %d cells come from other server starts: all are measured anew", len(stored), len(job.cells))
    for key in stored:
        set_aside(measured_entry(results, key), results / "forgotten", key)
