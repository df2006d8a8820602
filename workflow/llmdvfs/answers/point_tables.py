"""One deployment at one load, as tables of energy and time by point and launch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from llmdvfs.answers.axis import Axis, axes
from llmdvfs.answers.choice import Table, mean_ratios, survey_launches
from llmdvfs.answers.details import idle_power_w
from llmdvfs.answers.measured import Terms, held_clocks, is_held, observation, terms_of
from llmdvfs.answers.observation import STOCK, Observation, by_point
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord

Measured = tuple[CellResult, RunRecord]


class NoAnswer(Exception):
    """A load has no answer, for the reason given."""


@dataclass(frozen=True, slots=True)
class PointTables:
    """What was measured at the points of one load, in tables by point and launch.

    Names are the points' ids, and `stock` for all that ask for nothing.
    """

    run: RunRecord
    terms: Terms
    points: dict[str, OperatingPoint]
    cells: dict[str, list[CellResult]]
    observations: dict[str, dict[int, list[Observation]]]
    energy_j: Table
    """Point -> launch -> energy of one unit of the answer; repeats within a launch are averaged."""
    time_s: Table
    energy: dict[str, float]
    """Point -> mean energy ratio to stock, over the launches that choices are made from."""
    time: dict[str, float]
    left_out: tuple[str, ...]
    """Which cells ran at another point than their name says, and why."""
    idle_at_point_w: dict[str, float]
    """Point -> mean power of the deployment held there without load; points at which that was not measured are
    absent."""

    @property
    def rows(self) -> list[Axis]:
        """Return the rows of points that differ in one setting only."""
        return axes(self.points.values(), self.run.deployment.num_instances)

    @property
    def as_named(self) -> list[str]:
        """Return the points that ran at the core clocks that their names say; the others ran at lower ones."""
        return [
            name
            for name, point in self.points.items()
            if all(
                is_held(asked, held)
                for role, held in held_clocks(self.cells[name]).items()
                if (asked := point.sm_clock_mhz.get(role)) is not None and role not in point.sm_clock_min_mhz
            )
        ]

    def by_held_clock(self, values: dict[str, float]) -> dict[float, float]:
        """Return held clock [MHz] -> value, along the longest row of core clocks, stock included.

        values: by point.
        """
        rows = [row for row in self.rows if row.quantity == "sm_clock_mhz"]
        if not rows:
            return {}
        row = max(rows, key=lambda row: (len(row.points), len(row.roles)))
        names = [name for name in (*(name for _, name in row.points), STOCK) if name in values]
        held = {name: held_clocks(self.cells[name]).get(row.roles[0]) for name in names}
        return {clock: values[name] for name, clock in held.items() if clock is not None}

    def order(self, name: str) -> tuple[bool, list[tuple[str, float]], str]:
        """Return the sorting key of a point: by its settings, with stock last."""
        point = self.points[name]
        settings = (point.sm_clock_mhz, point.sm_clock_min_mhz, point.memory_clock_mhz, point.power_limit_w)
        return name == STOCK, [pair for setting in settings for pair in sorted(setting.items())], name


def point_tables(measured: Sequence[Measured]) -> PointTables:
    """Return the tables of one deployment at one load; NoAnswer says what is missing."""
    as_asked = [(result, run) for result, run in measured if run.applied_point.is_as_asked]
    left_out = tuple(_not_as_asked(run) for _, run in measured if not run.applied_point.is_as_asked)
    points: dict[str, OperatingPoint] = {}
    cells: dict[str, list[CellResult]] = {}
    observations = []
    for result, run in as_asked:
        if (seen := observation(result, run)) is not None:
            name = run.point.id if run.point.asks_for_something else STOCK
            points[name] = run.point if name != STOCK else OperatingPoint(STOCK)
            cells.setdefault(name, []).append(result)
            observations.append(seen)
    _check(points, [run for _, run in measured], bool(as_asked) and not observations)
    table = by_point(observations)
    energy_j, time_s = (
        {
            name: {
                k: sum(getattr(cell, quantity) for cell in repeats) / len(repeats) for k, repeats in launches.items()
            }
            for name, launches in table.items()
        }
        for quantity in ("energy_j", "time_s")
    )
    launches = survey_launches(energy_j)
    energy, time = mean_ratios(energy_j, energy_j, launches), mean_ratios(time_s, energy_j, launches)
    alone = sorted(energy_j.keys() - energy.keys())
    if alone:
        raise NoAnswer(f"no launch has stock and {', '.join(alone)}: measure the missing cells")
    run = as_asked[0][1]
    return PointTables(
        run=run,
        terms=terms_of(run),
        points=points,
        cells=cells,
        observations=table,
        energy_j=energy_j,
        time_s=time_s,
        energy=energy,
        time=time,
        left_out=left_out,
        idle_at_point_w=_idle_at_points(as_asked),
    )


def _idle_at_points(measured: Iterable[Measured]) -> dict[str, float]:
    """Return point -> idle power: of a cell by itself in its idle windows, of one under a load before its sweep."""
    by_point: dict[str, list[float]] = {}
    for result, run in measured:
        of_devices = {} if run.under_load is None else run.under_load.idle_at_point_w
        power_w = idle_power_w(result) if run.under_load is None else sum(of_devices.values()) or None
        if power_w is not None:
            by_point.setdefault(run.point.id if run.point.asks_for_something else STOCK, []).append(power_w)
    return {name: fmean(powers_w) for name, powers_w in by_point.items()}


def _check(points: dict[str, OperatingPoint], runs: Sequence[RunRecord], without_energy: bool) -> None:
    """Raise NoAnswer unless there are stock and another point to compare with it."""
    if without_energy:
        raise NoAnswer("no cell has both an energy and a latency: clocks are judged by energy")
    if STOCK not in points:
        raise NoAnswer(
            "stock was not measured: a saving needs what it saves against; add `stock: {}` to operating_points"
        )
    if len(points) == 1:
        asked = sorted({run.point.id for run in runs if run.point.asks_for_something})
        why = f"; asked for and not applied: {', '.join(asked)}" if asked else ""
        raise NoAnswer(f"only stock was measured, and from stock alone no clock can be recommended{why}")


def _not_as_asked(run: RunRecord) -> str:
    applied = run.applied_point
    return f"{run.point.id} launch {run.cell.launch} ({applied.state}: {applied.reason or 'no reason recorded'})"
