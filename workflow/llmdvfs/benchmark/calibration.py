"""The client's own error at the load of each cell; one calibration serves all cells of a shape on this host."""

import hashlib
import logging
import shutil
from pathlib import Path

from llmdvfs.benchmark.provenance import hardware
from llmdvfs.load.own_error.calibration import calibrate, calibration_shape
from llmdvfs.plan.measuring import MEASURING_VERSION
from llmdvfs.records import raw
from llmdvfs.records.load import CalibrationResult
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.store import compact_json, read_lines, read_record, write_record

LOG = logging.getLogger(__name__)


def calibrate_cell(folder: Path, results: Path) -> None:
    """Write calibration.json into a cell's raw folder; nothing where no request of it succeeded."""
    shape = calibration_shape(list(read_lines(folder / raw.REQUESTS, RequestRecord)))
    if shape is None:
        return
    # Another client or another host needs another calibration.
    identity = f"{compact_json(shape)} measuring version {MEASURING_VERSION} {sorted(hardware().items())}"
    known = results / "calibration" / hashlib.sha256(identity.encode()).hexdigest()[:16]
    if not (known / raw.CALIBRATION).is_file():
        LOG.info("calibrating the client at %d streams, a token every %g s", shape.num_streams, shape.gap_s)
        shutil.rmtree(known, ignore_errors=True)
        write_record(known / raw.CALIBRATION, calibrate(shape, known / "run"))
    write_record(folder / raw.CALIBRATION, read_record(known / raw.CALIBRATION, CalibrationResult))
