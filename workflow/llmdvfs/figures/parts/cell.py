"""One measured cell with everything that a figure may draw of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.telemetry import TelemetryHeader


@dataclass(frozen=True, slots=True)
class MeasuredCell:
    """What the stages left of one cell: records, timeline, and the values behind the latency distributions."""

    result: CellResult
    run: RunRecord
    phases: PhasesRecord
    header: TelemetryHeader
    timeline: pd.DataFrame
    """timeline.csv: t_s [s since the cell's start], device_id, role, phase and a column for each quantity (NaN: not
    read)."""
    samples_s: dict[str, npt.NDArray[np.float64]]
    """ttft_s, e2e_s, kv_transfer_s: one value an ok request; tbt_s: one a gap; all in seconds, as the analysis defines
    them."""


def representative(cells: Sequence[MeasuredCell]) -> list[MeasuredCell]:
    """Return all launches of one workload and point, the ones that stand for a deployment.

    A workload with both phases at once is preferred, and stock.
    """

    def preference(cell: MeasuredCell) -> tuple[bool, bool, str, str]:
        run = cell.run
        return run.workload.isolates is not None, run.point.asks_for_something, run.workload.id, run.point.id

    if not cells:
        return []
    best = min(cells, key=preference).run.cell
    return sorted(
        (cell for cell in cells if (cell.run.cell.workload, cell.run.cell.point) == (best.workload, best.point)),
        key=lambda cell: cell.run.cell.launch,
    )
