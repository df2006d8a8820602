"""Made-up cells whose energy, time, held clock and state a test says."""

from dataclasses import replace

from fakes.records import Toy, fake_cell

from llmdvfs.records.point import AppliedPoint, OperatingPoint, PointState
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import SloSpec

Cell = tuple[CellResult, RunRecord]


def cell(
    clock_mhz: int | None,
    launch: int,
    energy_j: float,
    time_s: float,
    held_mhz: float | None = None,
    state: PointState | None = None,
    slo: SloSpec | None = None,
    order: int = 0,
    name: str | None = None,
) -> Cell:
    """Return a decode cell of a single GPU: joules an output token, mean and p99 TPOT; None as clock: stock."""
    made = fake_cell(Toy(workload="decode", gpu=True, clock_mhz=clock_mhz, launch=launch))
    result, run = made.result, made.run
    point = OperatingPoint(
        name or (f"clock-{clock_mhz}" if clock_mhz else "stock"), {"single": clock_mhz} if clock_mhz else {}
    )
    identity = replace(result.cell, point=point.id)
    device = result.energy.devices[0]
    clock = replace(device.sm_clock_mhz, mean=held_mhz or clock_mhz or 1980.0)
    result = replace(
        result,
        cell=identity,
        energy=replace(
            result.energy,
            energy_per_output_token_j=energy_j,
            mean_power_w=energy_j / time_s,
            devices=(replace(device, role="single", sm_clock_mhz=clock),),
        ),
        latency=replace(result.latency, tpot_s=replace(result.latency.tpot_s, mean=time_s, p99=time_s)),
    )
    applied = AppliedPoint(state or ("applied" if clock_mhz else "stock"), point.of_gpus({"single": [0]}))
    workload = replace(run.workload, isolates="decode", slo=slo or SloSpec())
    run = replace(
        run, cell=identity, point=point, applied=applied, workload=workload, order_in_launch=order, warnings=()
    )
    return result, run


NOISE = (0.99, 1.0, 1.01)
"""Of the three launches, on all points alike: pairing takes it out."""


def sweep(energy_by_clock: dict[int | None, float], time_by_clock: dict[int | None, float]) -> list[Cell]:
    """Return three launches of a sweep; a launch as a whole costs 1 % more or less."""
    return [
        cell(clock, launch, energy * NOISE[launch - 1], time_by_clock[clock])
        for clock, energy in energy_by_clock.items()
        for launch in (1, 2, 3)
    ]
