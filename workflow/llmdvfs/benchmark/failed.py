"""What a launch leaves where cells failed and the study goes on without them."""

import logging
import shutil
from pathlib import Path

from llmdvfs.benchmark.launch import CellsFailed
from llmdvfs.benchmark.store import deliver, is_finished
from llmdvfs.clock import unix_s
from llmdvfs.errors import LlmDvfsError
from llmdvfs.plan.cells import cell_folder
from llmdvfs.records.failed import FailedCell
from llmdvfs.records.job import LaunchJob
from llmdvfs.records.raw import FAILED
from llmdvfs.records.spec import CellId
from llmdvfs.records.store import write_record

LOG = logging.getLogger(__name__)


def record_failures(deployment: str, job: LaunchJob, results: Path, error: LlmDvfsError) -> None:
    """Deliver every cell of the job: its measurement where there is one, else a raw folder that says why not.

    error: what ended the launch; it stands for all cells that it does not tell apart, as where no server started.
    """
    causes = error.causes if isinstance(error, CellsFailed) else {}
    for cell in job.cells:
        name = CellId(deployment, cell.workload, cell.point, job.launch)
        folder = cell_folder(results, name) / "raw"
        if is_finished(results, cell.key):
            deliver(results, cell.key, folder)
            continue
        shutil.rmtree(folder, ignore_errors=True)
        cause = causes.get(cell.key, str(error)).removeprefix(f"{name.folder()}: ")
        write_record(folder / FAILED, FailedCell(cell.key, name, cause, unix_s()))
        LOG.info("%s: recorded as failed; the study goes on without it", name.folder())
