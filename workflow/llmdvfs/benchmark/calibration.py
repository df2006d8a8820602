"""Gives a cell the client's own error at its load; one calibration serves the cells of a study on a host, mostly."""

import hashlib
import logging
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from llmdvfs.errors import LlmDvfsError, SchemaError, in_full
from llmdvfs.host.hardware import hardware
from llmdvfs.load.own_error.calibration import calibrate
from llmdvfs.load.own_error.shape import calibration_shape, serves, shared_shape
from llmdvfs.plan.measuring import MEASURING_VERSION
from llmdvfs.records import raw
from llmdvfs.records.load import CalibrationResult, CalibrationShape
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.store import compact_json, read_lines, read_record, write_record

Calibrate = Callable[[CalibrationShape, Path], CalibrationResult]
LOG = logging.getLogger(__name__)
NUM_TRIES = 2  # a mock server that somebody killed is not killed again


def cell_shape(folder: Path) -> CalibrationShape | None:
    """Return the shape of the load in a cell's raw folder; None where no request of it succeeded."""
    return calibration_shape(list(read_lines(folder / raw.REQUESTS, RequestRecord)))


def calibrate_together(shapes: Collection[CalibrationShape], results: Path, calibrate: Calibrate = calibrate) -> None:
    """Calibrate once for several loads, at one as hard as each; what that does not serve is for calibrate_cell."""
    unserved = {shape for shape in shapes if _kept(results, shape) is None}
    shared = shared_shape(unserved) if len(unserved) > 1 else None
    if shared is None or (_place(results, shared) / raw.CALIBRATION).exists():
        return
    try:
        _calibrated(shared, results, calibrate)
    except LlmDvfsError as error:
        LOG.warning("the client's calibration failed: %s", in_full(error))


def calibrate_cell(
    folder: Path, shape: CalibrationShape, results: Path, calibrate: Calibrate = calibrate
) -> str | None:
    """Write calibration.json into a cell's raw folder: one that is kept and serves the shape, or a new one.

    Return a warning where the calibration failed NUM_TRIES times, None otherwise: the load that it is about has been
    measured, and is not thrown away for that.
    """
    result, failure = _kept(results, shape), None
    for _ in range(NUM_TRIES if result is None else 0):
        try:
            result = _calibrated(shape, results, calibrate)
            break
        except LlmDvfsError as error:
            failure = in_full(error)
            LOG.warning("the client's calibration failed: %s", failure)
    if result is None:
        return f"the client's own error at this load is not known: its calibration failed {NUM_TRIES} times: {failure}"
    write_record(folder / raw.CALIBRATION, result)
    return None


def _calibrated(shape: CalibrationShape, results: Path, calibrate: Calibrate) -> CalibrationResult:
    """Calibrate the client at a shape, and keep the result."""
    LOG.info("calibrating the client at %d streams, a token every %g s", shape.num_streams, shape.gap_s)
    place = _place(results, shape)
    shutil.rmtree(place, ignore_errors=True)
    result = calibrate(shape, place / "run")
    write_record(place / raw.CALIBRATION, result)
    return result


def _kept(results: Path, shape: CalibrationShape) -> CalibrationResult | None:
    """Return what was measured before: at this very shape, else the easiest that serves it; None: nothing was.

    What another version measured is nothing.
    """
    place = _place(results, shape)
    serving = list[CalibrationResult]()
    for folder in place.parent.glob(f"{place.name.partition('-')[0]}-*"):
        with suppress(SchemaError):
            known = read_record(folder / raw.CALIBRATION, CalibrationResult)
            if serves(known, shape):
                serving.append(known)
    return min(
        serving,
        key=lambda known: (known.shape != shape, known.token_rate_per_s, known.shape.num_streams),
        default=None,
    )


def _place(results: Path, shape: CalibrationShape) -> Path:
    # Another client or another host needs another calibration.
    host = _digest(f"measuring version {MEASURING_VERSION} {sorted(hardware().items())}")
    return results / "calibration" / f"{host}-{_digest(compact_json(shape))}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
