"""A machine that measures the cells of a search in no time: energy and time are formulas with a known lowest clock."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from fakes.records import Toy, fake_cell

from llmdvfs.answers.point_tables import Measured
from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.plan.cells import all_cells
from llmdvfs.plan.decided import decided_so_far, with_cells_of
from llmdvfs.plan.study import Study
from llmdvfs.records.point import AppliedPoint, OperatingPoint, PointState
from llmdvfs.records.spec import CellId
from llmdvfs.search.cells import Cells

STOCK_MHZ = 1980.0
Energy = Callable[[Mapping[str, float]], float]
"""Clock that each role runs at -> joules."""


def bowl(lowest_mhz: float) -> Callable[[float], float]:
    """Return an energy whose logarithm is a parabola of ln f, 1 at its lowest clock."""
    return lambda clock_mhz: math.exp(0.6 * math.log(clock_mhz / lowest_mhz) ** 2)


@cache
def _template(architecture: str) -> MeasuredCell:
    return fake_cell(Toy(architecture, "concurrent", gpu=True))


@dataclass
class Machine:
    """GPUs whose energy follows a formula of the clocks held; time is 1 / clock of the slowest role."""

    study: Study
    energy: Energy
    ceiling_mhz: float = STOCK_MHZ
    """No clock above it is held."""
    state: PointState = "applied"
    """What becomes of points that ask for something."""
    measured: dict[CellId, Measured] = field(default_factory=dict)
    asked: list[CellId] = field(default_factory=list)
    """Every cell that was measured, in order."""
    fails_after: int | None = None
    """Killed after so many cells of a run."""
    noise: Callable[[CellId], float] = lambda cell: 1.0
    """Factor on a cell's energy."""

    def read(self, study: Study) -> Cells:
        """Return what of the study has been measured."""
        held = frozenset(self.measured) & (study.decided or frozenset())
        return Cells(held, {cell: self.measured[cell] for cell in held})

    def measure(self) -> None:
        """Measure what has been decided and is missing."""
        record = decided_so_far(self.study)
        assert record is not None
        decided = with_cells_of(self.study, record)
        missing = sorted((decided.decided or frozenset()) - set(self.measured), key=str)
        for number, cell in enumerate(missing):
            if number == self.fails_after:
                raise KeyboardInterrupt
            self.measured[cell] = self._cell(cell, decided.points[cell.point])
            self.asked.append(cell)

    def measure_all(self) -> None:
        """Measure every cell of a study that lists its points."""
        for cell in all_cells(self.study):
            self.measured[cell] = self._cell(cell, self.study.points[cell.point])
            self.asked.append(cell)

    def _cell(self, cell: CellId, point: OperatingPoint) -> Measured:
        disaggregated = cell.deployment.startswith("disaggregated")
        made = _template("disaggregated" if disaggregated else "single")
        roles = ("prefill", "decode") if disaggregated else ("single",)
        state: PointState = self.state if point.asks_for_something else "stock"
        asked = point.sm_clock_mhz if state == "applied" else {}
        held = {role: min(float(asked.get(role, STOCK_MHZ)), self.ceiling_mhz) for role in roles}
        energy_j, time_s = self.energy(held) * self.noise(cell), 20.0 / min(held.values())
        devices = tuple(
            replace(device, role=role, sm_clock_mhz=replace(device.sm_clock_mhz, mean=held[role]))
            for device, role in zip(made.result.energy.devices, roles, strict=True)
        )
        energy = replace(
            made.result.energy,
            energy_per_prompt_token_j=energy_j,
            energy_per_output_token_j=energy_j,
            energy_per_request_j=energy_j,
            devices=devices,
        )
        alike = replace(made.result.latency.e2e_s, mean=time_s, p99=time_s)
        latency = replace(made.result.latency, ttft_s=alike, tpot_s=alike, e2e_s=alike)
        result = replace(made.result, cell=cell, energy=energy, latency=latency)
        applied = AppliedPoint(state, reason=None if state in ("applied", "stock") else "no right to")
        run = replace(
            made.run,
            cell=cell,
            point=point,
            applied=applied,
            deployment=self.study.deployments[cell.deployment],
            workload=self.study.workloads[cell.workload],
            warnings=(),
        )
        return result, run
