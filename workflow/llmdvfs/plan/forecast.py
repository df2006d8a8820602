"""What a study takes before it runs: GPU hours, time, energy and room, from earlier results or stated assumptions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from llmdvfs.errors import ConfigError
from llmdvfs.plan.cells import PlannedCell, PlannedLaunch
from llmdvfs.plan.per_cell import LAUNCH_OVERHEAD_S, PerCell, per_cell
from llmdvfs.plan.side_by_side import is_beside
from llmdvfs.plan.study import Study
from llmdvfs.records.counted import counted
from llmdvfs.records.forecast import Amounts, Budget, DeploymentForecast, Forecast
from llmdvfs.records.progress import length_in_words

WALLTIME_FACTOR = 2.0  # of what a launch is expected to take: an allocation that ends early kills a measurement
MIN_WALLTIME_S = 600.0


@dataclass(frozen=True, slots=True)
class _Launch:
    """One launch as it is thought to be."""

    deployment: str
    num_cells: int
    num_starts: int
    wall_s: float
    num_gpus: int
    num_gpus_shared: int | None
    """Of the host, where other launches are measured side by side with it; None: it is alone."""
    energy_j: float | None
    disk_bytes: float

    @property
    def host_s(self) -> float:
        """Return its part of the study's time: of a launch side by side with others, by its share of the GPUs."""
        return self.wall_s if self.num_gpus_shared is None else self.wall_s * self.num_gpus / self.num_gpus_shared


def forecast(study: Study, cells: Iterable[PlannedCell], pending: Iterable[PlannedLaunch]) -> Forecast:
    """Return what the study takes, all of it and what is missing.

    cells, pending: what `plan_cells` and `pending_launches` returned.
    """
    per = per_cell(study)
    whole: dict[tuple[str, int], list[str]] = {}
    for cell in cells:
        whole.setdefault((cell.id.deployment, cell.id.launch), []).append(cell.id.workload)
    of_all = [_launch(study, per, name, launch, workloads) for (name, launch), workloads in whole.items()]
    of_missing = [_missing(study, per, item) for item in pending]
    deployments = tuple(
        DeploymentForecast(
            name,
            spec.num_gpus,
            _amounts([launch for launch in of_missing if launch.deployment == name]),
            _amounts([launch for launch in of_all if launch.deployment == name]),
        )
        for name, spec in study.deployments.items()
    )
    amounts = _amounts(of_all)
    return Forecast(
        missing=_amounts(of_missing),
        whole=amounts,
        deployments=deployments,
        assumptions=tuple(dict.fromkeys(said for item in per.values() for said in item.assumptions)),
        budget=study.budget,
        over=tuple(_over(study.budget, amounts)),
    )


def missing_in_words(told: Forecast) -> str:
    """Return what is missing: `4 cells to measure: about 8 min, 0.2 GPU hours, 0.04 kWh`, and what is assumed.

    GPU hours where there are GPUs, and energy where anything tells it.
    """
    amounts = told.missing
    cells = counted(amounts.num_cells, "cell")
    parts = [f"about {length_in_words(amounts.wall_s)}"]
    parts += [f"{amounts.gpu_h:.2g} GPU hours"] if amounts.gpu_s else []
    parts += [] if amounts.energy_kwh is None else [f"{amounts.energy_kwh:.2g} kWh"]
    assumed = f" (assumed: {'; '.join(told.assumptions)})" if told.assumptions else ""
    return f"{cells} to measure: {', '.join(parts)}{assumed}"


def refuse_over_budget(told: Forecast) -> None:
    """Raise ConfigError where the study is above its budget, nobody has confirmed it, and something is missing."""
    if told.over and told.missing.num_cells and not told.budget.is_confirmed:
        raise ConfigError(
            "budget: "
            + "; ".join(told.over)
            + ". Measure less, raise the budget, or confirm with --config over_budget=true; `python -m llmdvfs plan` "
            "says what the forecast rests on"
        )


def walltimes_min(study: Study, pending: Iterable[PlannedLaunch]) -> list[int]:
    """Return the minutes to ask a cluster for, of each launch: twice what it is expected to take, and 10 at least."""
    pending = list(pending)
    per = per_cell(study) if pending else {}  # which reads earlier cells
    launches = (_missing(study, per, item) for item in pending)
    return [ceil(max(WALLTIME_FACTOR * launch.wall_s, MIN_WALLTIME_S) / 60) for launch in launches]


def _missing(study: Study, per: Mapping[tuple[str, str], PerCell], item: PlannedLaunch) -> _Launch:
    return _launch(study, per, item.deployment, item.job.launch, [cell.id.workload for cell in item.cells])


def _launch(
    study: Study, per: Mapping[tuple[str, str], PerCell], name: str, launch: int, workloads: Sequence[str]
) -> _Launch:
    """Return a launch: its servers start and stop once, or once a cell."""
    own = [per[name, workload] for workload in workloads]
    num_gpus, host_gpus = study.deployments[name].num_gpus, study.deployments[name].gpu_indices
    num_starts = len(own) if study.settings.fresh_servers else 1
    start_s = (own[0].start_s + LAUNCH_OVERHEAD_S) * num_starts
    start_j = None if own[0].idle_power_w is None else own[0].idle_power_w * start_s
    energies = [start_j, *(item.energy_j for item in own)]
    return _Launch(
        deployment=name,
        num_cells=len(own),
        num_starts=num_starts,
        wall_s=start_s + sum(item.took_s for item in own),
        num_gpus=num_gpus,
        num_gpus_shared=len(host_gpus) if host_gpus and is_beside(study.settings, launch) else None,
        energy_j=_total(energies),
        disk_bytes=sum(item.num_bytes for item in own),
    )


def _amounts(launches: Sequence[_Launch]) -> Amounts:
    return Amounts(
        num_cells=sum(launch.num_cells for launch in launches),
        num_launches=sum(launch.num_starts for launch in launches),
        wall_s=sum(launch.host_s for launch in launches),
        gpu_s=sum(launch.wall_s * launch.num_gpus for launch in launches),
        energy_j=_total([launch.energy_j for launch in launches]),
        disk_bytes=sum(launch.disk_bytes for launch in launches),
    )


def _total(values: Sequence[float | None]) -> float | None:
    """Return the sum; None where one of them is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _over(budget: Budget, whole: Amounts) -> Iterator[str]:
    """Yield a sentence for each limit that the whole study is above, or that cannot be checked."""
    if budget.gpu_hours is not None and whole.gpu_h > budget.gpu_hours:
        yield f"gpu_hours: {budget.gpu_hours:g}: the whole study takes about {whole.gpu_h:.3g} GPU hours"
    if budget.kwh is None:
        return
    if whole.energy_kwh is None:
        yield (
            f"kwh: {budget.kwh:g}: nothing tells what power this study draws: expected GPUs, or earlier cells of it "
            "with a power sensor"
        )
    elif whole.energy_kwh > budget.kwh:
        yield f"kwh: {budget.kwh:g}: the whole study takes about {whole.energy_kwh:.3g} kWh"
