"""Gives a cell the client's own error at its load; one calibration serves all cells of a shape on a host."""

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from llmdvfs.errors import LlmDvfsError, SchemaError, in_full
from llmdvfs.host.hardware import hardware
from llmdvfs.load.own_error.calibration import calibrate, calibration_shape, serves
from llmdvfs.plan.measuring import MEASURING_VERSION
from llmdvfs.records import raw
from llmdvfs.records.load import CalibrationResult, CalibrationShape
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.store import compact_json, read_lines, read_record, write_record

LOG = logging.getLogger(__name__)
NUM_TRIES = 2  # a mock server that somebody killed is not killed again


def cell_shape(folder: Path) -> CalibrationShape | None:
    """Return the shape of the load in a cell's raw folder; None where no request of it succeeded."""
    return calibration_shape(list(read_lines(folder / raw.REQUESTS, RequestRecord)))


def calibrate_cell(
    folder: Path,
    shape: CalibrationShape,
    results: Path,
    calibrate: Callable[[CalibrationShape, Path], CalibrationResult] = calibrate,
) -> str | None:
    """Write calibration.json into a cell's raw folder: one that is kept and serves the shape, or a new one.

    Return a warning where the calibration failed NUM_TRIES times, None otherwise: the load that it is about has been
    measured, and is not thrown away for that.
    """
    # Another client or another host needs another calibration.
    host = _digest(f"measuring version {MEASURING_VERSION} {sorted(hardware().items())}")
    known = results / "calibration" / f"{host}-{_digest(compact_json(shape))}"
    result, failure = _kept(known.parent.glob(f"{host}-*"), shape), None
    for _ in range(NUM_TRIES if result is None else 0):
        LOG.info("calibrating the client at %d streams, a token every %g s", shape.num_streams, shape.gap_s)
        shutil.rmtree(known, ignore_errors=True)
        try:
            result = calibrate(shape, known / "run")
            write_record(known / raw.CALIBRATION, result)
            break
        except LlmDvfsError as error:
            failure = in_full(error)
            LOG.warning("the client's calibration failed: %s", failure)
    if result is None:
        return f"the client's own error at this load is not known: its calibration failed {NUM_TRIES} times: {failure}"
    write_record(folder / raw.CALIBRATION, result)
    return None


def _kept(folders: Iterable[Path], shape: CalibrationShape) -> CalibrationResult | None:
    """Return a calibration that was made before and serves the shape; None: there is none, or of another version."""
    for folder in sorted(folders):
        try:
            known = read_record(folder / raw.CALIBRATION, CalibrationResult)
        except SchemaError:
            continue
        if serves(known.shape, shape):
            return known
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
