"""Made-up studies of any shape, with what spoils an axis: decades between cells, zeros, absences, refused clocks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
from fakes.records import Toy, fake_cell
from matplotlib.figure import Figure

from llmdvfs.comparison.groups import compare
from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.point import AppliedPoint, OperatingPoint
from llmdvfs.records.result import CellResult
from llmdvfs.records.spec import CellId

DEPLOYMENTS = (
    ("single", "single"),
    ("single-eager", "single"),
    ("replicated-2", "replicated"),
    ("replicated-4", "replicated"),
    ("tensor_parallel-2", "tensor_parallel"),
    ("disaggregated-1p1d-nixl", "disaggregated"),
    ("disaggregated-1p1d-p2p_nccl", "disaggregated"),
    ("disaggregated-2p2d-nixl", "disaggregated"),
)
CLOCKS_MHZ = (None, 345, 600, 750, 900, 1050, 1200, 1350, 1500, 1650, 1800, 1980)
BATCHES = (1, 2, 4, 8, 16, 24, 32, 64, 128, 256, 512, 1024)
SPREADS = (0.01, 0.3, 2.0)


@dataclass(frozen=True)
class Shape:
    deployments: int = 8
    workloads: int = 12
    points: int = 12
    launches: int = 2


def random_shape(rng: np.random.Generator, most_cells: int) -> Shape:
    """Return a shape up to 8 x 12 x 12 whose cells are at most so many."""
    while True:
        shape = Shape(*(int(rng.integers(1, top + 1)) for top in (8, 12, 12, 3)))
        if shape.deployments * shape.workloads * shape.points * shape.launches <= most_cells:
            return shape


def random_study(rng: np.random.Generator, shape: Shape) -> ComparisonRecord:
    """Return the comparison of made-up cells: values over decades, some of them 0 or None, some launches doubtful."""
    between, within = rng.choice(SPREADS), rng.choice(SPREADS)
    deployments, batches = DEPLOYMENTS[: shape.deployments], BATCHES[: shape.workloads]
    cells = []
    for (name, architecture), batch, clock in product(deployments, batches, CLOCKS_MHZ[: shape.points]):
        size, refused = rng.lognormal(0, between), clock is not None and rng.random() < 0.15
        for launch in range(1, shape.launches + 1):
            scale = size * rng.lognormal(0, within, size=6) * (rng.random(6) > 0.03)
            cells.append(_cell(name, architecture, batch, clock, launch, scale, refused, rng.random() < 0.2))
    return compare([cell.result for cell in cells], [cell.run for cell in cells])


def of_one_deployment(draw: Callable[[ComparisonRecord], Figure]) -> Callable[[ComparisonRecord], Figure]:
    """Return a drawing of the first deployment alone: what figures of deployments are given."""

    def drawn(record: ComparisonRecord) -> Figure:
        first = min(row.cell.deployment for row in record.cells)
        groups = [
            replace(
                group,
                deployments=tuple(deployment for deployment in group.deployments if deployment.id == first),
                pairs=(),
            )
            for group in record.groups
        ]
        return draw(replace(record, groups=tuple(groups)))

    return drawn


@cache
def _base(architecture: str) -> MeasuredCell:
    return fake_cell(Toy(architecture, gpu=True, duration_s=0.5))


def _cell(
    name: str,
    architecture: str,
    batch: int,
    clock: int | None,
    launch: int,
    scale: np.ndarray,
    refused: bool,
    doubtful: bool,
) -> MeasuredCell:
    base = _base(architecture)
    roles = ("prefill", "decode") if architecture == "disaggregated" else ("single",)
    cell = CellId(f"{name}_tiny", f"load-{batch}", f"clock-{clock}" if clock else "stock", launch)
    key, start = cell.folder(), f"{name}-{launch}"
    point = OperatingPoint(cell.point, dict.fromkeys(roles, clock) if clock else {})
    state = "not_permitted" if refused else "applied" if clock else "stock"
    gpus = {role: [number] for number, role in enumerate(roles)}
    run = replace(
        base.run,
        key=key,
        cell=cell,
        point=point,
        applied=AppliedPoint(state, settings=point.of_gpus(gpus) if state == "applied" else ()),
        deployment=replace(base.run.deployment, id=cell.deployment),
        workload=replace(
            base.run.workload, id=cell.workload, arrival=replace(base.run.workload.arrival, concurrency=batch)
        ),
        server_start=replace(base.run.server_start, id=start),
    )
    return replace(base, result=_result(base.result, cell, start, scale.tolist(), doubtful), run=run)


def _result(base: CellResult, cell: CellId, start: str, scale: list[float], doubtful: bool) -> CellResult:
    ttft, tpot, e2e, rate, power, token = scale
    latency = replace(
        base.latency,
        ttft_s=replace(base.latency.ttft_s, p50=0.05 * ttft or None),
        tpot_s=replace(base.latency.tpot_s, mean=0.01 * tpot or None),
        e2e_s=replace(base.latency.e2e_s, mean=e2e),
    )
    throughput = replace(base.throughput, output_token_rate_per_s=1000 * rate, goodput_rps=rate)
    energy = replace(base.energy, mean_power_w=400 * power, energy_per_output_token_j=0.3 * token or None)
    gate = replace(base.gates[0], status="failed" if doubtful else "passed")
    return replace(
        base,
        key=cell.folder(),
        cell=cell,
        server_start_id=start,
        latency=latency,
        throughput=throughput,
        energy=energy,
        gates=(gate,),
    )
