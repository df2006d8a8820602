"""What a launch leaves where cells failed and the study goes on without them."""

import json
import logging
from pathlib import Path

from llmdvfs.benchmark.launch import CellsFailed
from llmdvfs.benchmark.store import deliver, deliver_failure, is_finished
from llmdvfs.clock import unix_s
from llmdvfs.errors import LlmDvfsError
from llmdvfs.records.failed import FailedCell
from llmdvfs.records.job import LaunchJob
from llmdvfs.records.places import cell_folder
from llmdvfs.records.spec import CellId
from llmdvfs.records.store import to_json

LOG = logging.getLogger(__name__)


def record_failures(deployment: str, job: LaunchJob, results: Path, error: LlmDvfsError) -> None:
    """Deliver every cell of the job: its measurement where there is one, else a raw folder that says why not.

    error: what ended the launch; it stands for all cells that it does not tell apart, as where no server started.
    """
    causes = error.causes if isinstance(error, CellsFailed) else {}
    for cell in job.cells:
        name = CellId(deployment, cell.workload, cell.point, job.launch)
        folder = cell_folder(results, name)
        if is_finished(results, cell.key):
            deliver(results, cell.key, folder)
            continue
        cause = causes.get(cell.key, str(error)).removeprefix(f"{name.folder()}: ")
        record = to_json(FailedCell(cell.key, name, cause, unix_s()))
        deliver_failure(results, cell.key, folder, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        LOG.info("%s: recorded as failed; the study goes on without it", name.folder())
