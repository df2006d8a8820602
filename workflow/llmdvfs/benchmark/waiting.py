"""Measurements that wait for the client's calibration: it is made while no server runs, so that no GPU is held for it.

A measurement that is whole but for its calibration waits in results/drafts/<key>.measured. After a kill the next run
that is to measure it finds it there.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from llmdvfs.benchmark.calibration import calibrate_cell, calibrate_together, cell_shape
from llmdvfs.benchmark.host_lock import calibrating
from llmdvfs.benchmark.run_record import write_sealed
from llmdvfs.benchmark.store import enter, is_finished, is_measured, waiting_entry
from llmdvfs.records.job import CellJob
from llmdvfs.records.load import CalibrationShape
from llmdvfs.records.places import RUN
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record


def calibrate_waiting(cells: Iterable[CellJob], results: Path) -> None:
    """Calibrate the client at the loads of those of these cells that wait for it, and bring them into the store.

    One calibration serves them all where it can. Otherwise the hardest load comes first: what is measured at it serves
    the one beside it, too.
    """
    waiting = [cell for cell in cells if is_measured(results, cell.key) and not is_finished(results, cell.key)]
    shapes = [(cell_shape(waiting_entry(results, cell.key)), cell) for cell in waiting]
    if not shapes:
        return
    with calibrating():  # launches side by side end together, and would take each other's files and CPU time
        calibrate_together([shape for shape, _ in shapes if shape is not None], results)
        for shape, cell in sorted(shapes, key=lambda found: _hardness(found[0]), reverse=True):
            folder = waiting_entry(results, cell.key)
            run = read_record(folder / RUN, RunRecord)
            if shape is not None and (warning := calibrate_cell(folder, shape, results)):
                run = replace(run, warnings=(*run.warnings, warning))
            write_sealed(folder, run)
            enter(results, folder, cell.key, cell.identity)


def _hardness(shape: CalibrationShape | None) -> tuple[float, ...]:
    return () if shape is None else (shape.num_streams, -shape.gap_s, -shape.ttft_s)
