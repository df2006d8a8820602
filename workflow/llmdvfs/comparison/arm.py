"""One deployment at one workload and operating point, summarised over its server starts."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean, stdev

from llmdvfs.comparison.likeness import num_gpus
from llmdvfs.comparison.phase_energy import undivided_energy_j
from llmdvfs.comparison.statistics import mean_interval, positive_mean_interval
from llmdvfs.records.comparison import METRICS, Arm, ArmMetric, LaunchValue
from llmdvfs.records.result import CellResult, DeviceEnergy
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import CellId, DeviceRole

Measured = tuple[CellResult, RunRecord]

# Simpler first: it is the baseline of a ratio, unless another is asked for.
ARCHITECTURE_ORDER = ("single", "replicated", "tensor_parallel", "disaggregated", "external")


def metric_values(result: CellResult) -> dict[str, float | None]:
    """Return the compared metrics of one cell, by name in METRICS; None: not measured, or not applicable."""
    latency, throughput, energy, transfer = result.latency, result.throughput, result.energy, result.transfer
    serving = [device for device in energy.devices if device.role is not None]
    return {
        "ttft_p50_s": latency.ttft_s.p50,
        "ttft_p99_s": latency.ttft_s.p99,
        "tpot_mean_s": latency.tpot_s.mean,
        "tbt_p50_s": latency.tbt_s.p50,
        "tbt_p99_s": latency.tbt_s.p99,
        "e2e_mean_s": latency.e2e_s.mean,
        "decode_mean_s": _difference(latency.e2e_s.mean, latency.ttft_s.mean),
        "output_token_rate_per_s": throughput.output_token_rate_per_s,
        "goodput_rps": throughput.goodput_rps,
        "energy_per_output_token_j": energy.energy_per_output_token_j,
        "energy_per_request_j": energy.energy_per_request_j,
        "prefill_energy_per_prompt_token_j": _share(
            undivided_energy_j(energy.phases, "prefill"), throughput.num_prompt_tokens
        ),
        "decode_energy_per_output_token_j": _share(
            undivided_energy_j(energy.phases, "decode"), throughput.num_output_tokens
        ),
        "mean_power_w": energy.mean_power_w,
        "energy_delay_product_js": energy.energy_delay_product_js,
        # Roles have clocks of their own: a mean of prefill and decode is a clock that no GPU had.
        "sm_clock_mean_mhz": _clock_of(serving, "single", "host"),
        "prefill_sm_clock_mean_mhz": _clock_of(serving, "prefill"),
        "decode_sm_clock_mean_mhz": _clock_of(serving, "decode"),
        "utilisation_mean_fraction": _mean_or_none(device.utilisation_fraction.mean for device in serving),
        "kv_transfer_mean_s": transfer.time_s.mean if transfer else None,
        "kv_rate_bytes_per_s": transfer.rate_bytes_per_s if transfer else None,
        "external_kv_fraction": (
            _share(transfer.external_kv_tokens, transfer.decode_prompt_tokens) if transfer else None
        ),
        "imbalance_fraction": result.balance.imbalance_fraction if result.balance else None,
        "failed_fraction": throughput.failed_fraction,
    }


def summarise(cells: Sequence[Measured], without_result: Iterable[CellId] = ()) -> Arm:
    """Return the deployment of these cells (one workload, one operating point) with means over its server starts.

    A launch in which the operating point was not applied ran at other clocks: it is kept, and is in no mean.
    """
    result, run = cells[0]
    values = [(cell, run.applied_point.is_as_asked, metric_values(cell)) for cell, run in cells]
    as_applied = next((run.applied_point for _, run in cells if run.applied_point.state == "applied"), None)
    return Arm(
        deployment=result.cell.deployment,
        architecture=run.deployment.architecture,
        model=run.deployment.model.name,
        num_gpus=num_gpus([run for _, run in cells]),
        num_without_result=sum(_same_but_launch(cell, result.cell) for cell in without_result),
        metrics={
            name: _arm_metric([(cell, applied, every[name]) for cell, applied, every in values]) for name in METRICS
        },
        sm_clock_mhz=as_applied.by_role("sm_clock_mhz") if as_applied else {},
        memory_clock_mhz=as_applied.by_role("memory_clock_mhz") if as_applied else {},
        power_limit_w=as_applied.by_role("power_limit_w") if as_applied else {},
        sm_clock_min_mhz=as_applied.by_role("sm_clock_min_mhz") if as_applied else {},
        not_applied_launches=tuple(cell.cell.launch for cell, applied, _ in values if not applied),
    )


def replicates(by_launch: Iterable[LaunchValue]) -> list[float]:
    """Return one value a server start: cells that shared the servers are one replicate, with their mean.

    Cells that did not run at their operating point are left out.
    """
    by_start: dict[str, list[float]] = defaultdict(list)
    for launch in by_launch:
        if launch.value is not None and launch.applied:
            by_start[launch.server_start_id].append(launch.value)
    return [fmean(values) for values in by_start.values()]


def arm_order(cells: Sequence[Measured], baseline: str | None) -> tuple[bool, int, str]:
    """Return the sorting key of a deployment among those that it is compared with.

    baseline: the architecture, as the configuration writes it, that comes first.
    """
    deployment = cells[0][1].deployment
    known = deployment.architecture in ARCHITECTURE_ORDER
    rank = ARCHITECTURE_ORDER.index(deployment.architecture) if known else len(ARCHITECTURE_ORDER)
    return deployment.id != f"{baseline}_{deployment.model.name}", rank, deployment.id


def cell_order(cell: CellId) -> tuple[str, str, str, int]:
    """Return the sorting key of a cell."""
    return cell.deployment, cell.workload, cell.point, cell.launch


def _arm_metric(values: Sequence[tuple[CellResult, bool, float | None]]) -> ArmMetric:
    """values: cell, whether its operating point was applied, and what was measured."""
    by_launch = tuple(
        LaunchValue(cell.cell.launch, cell.server_start_id, value, cell.valid, applied)
        for cell, applied, value in values
    )
    of_starts = replicates(by_launch)
    # A share may be 0 in a launch; what is above 0 in all of them has the mean that its ratios have too.
    geometric = all(value > 0 for value in of_starts)
    return ArmMetric(
        by_launch=by_launch,
        n=len(of_starts),
        sd=stdev(of_starts) if len(of_starts) > 1 else None,
        mean=positive_mean_interval(of_starts) if geometric else mean_interval(of_starts),
        statistic="geometric" if geometric else "arithmetic",
    )


def _same_but_launch(a: CellId, b: CellId) -> bool:
    return (a.deployment, a.workload, a.point) == (b.deployment, b.workload, b.point)


def _clock_of(devices: Iterable[DeviceEnergy], *roles: DeviceRole) -> float | None:
    return _mean_or_none(device.sm_clock_mhz.mean for device in devices if device.role in roles)


def _mean_or_none(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fmean(present) if present else None


def _difference(whole: float | None, part: float | None) -> float | None:
    return None if whole is None or part is None else whole - part


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole
