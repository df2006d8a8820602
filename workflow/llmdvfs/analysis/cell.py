"""Works out all numbers of one cell."""

from collections.abc import Mapping

from llmdvfs.analysis.activity import role_activities
from llmdvfs.analysis.axis.steady_state import cell_window
from llmdvfs.analysis.energy.cell import EnergySettings, energy_result
from llmdvfs.analysis.energy.regression_settings import RegressionSettings
from llmdvfs.analysis.gates.cell import cell_gates
from llmdvfs.analysis.gates.limits import GateLimits
from llmdvfs.analysis.requests.balance import balance_result
from llmdvfs.analysis.requests.latency import latency_result, scheduled_in_window, throughput_result
from llmdvfs.analysis.step_counts import step_counts
from llmdvfs.analysis.transfer.cell import transfer_result
from llmdvfs.analysis.transfer.link import transfer_warnings
from llmdvfs.analysis.transfer.size import size_warnings
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.hosts import HostRecord
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.raw import RawCell
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord

MAX_CONDITION_NUMBER = "max_condition_number"
"""The one limit of the configuration's `gates` that is no gate's: above it phase energies are not identifiable."""


def analyze_cell(raw: RawCell, phases: PhasesRecord, *, limits: Mapping[str, float], seed: int) -> CellResult:
    """Return the result of a cell: `result.json`. A doubtful one is marked by its gates and warnings, never dropped.

    raw: what was recorded. phases: the same cell's `phases.json`, as `merge` makes it. limits: what the configuration's
    `gates` sets, by name; the rest have their defaults. seed: root of the bootstrap, so that equal inputs give equal
    intervals.
    """
    run = raw.run
    window = phases.window or cell_window(run, raw.requests)
    latency = latency_result(raw.requests, window, run.started_mono_ns)
    throughput = throughput_result(raw.requests, run.workload, window, run.started_mono_ns)
    transfer = transfer_result(
        run,
        scheduled_in_window(raw.requests, window, run.started_mono_ns),
        raw.proxy,
        phases.intervals,
        raw.metrics_before,
        raw.metrics_after,
        raw.readings,
    )
    energy = energy_result(
        raw.header,
        raw.readings,
        phases,
        started_mono_ns=run.started_mono_ns,
        idle_windows_s=_idle_windows_s(run),
        idle_readings=None if run.under_load is None else raw.idle_readings,
        num_prompt_tokens=throughput.num_prompt_tokens,
        num_output_tokens=throughput.num_output_tokens,
        num_requests=throughput.num_requests,
        mean_e2e_s=latency.e2e_s.mean,
        seed_bootstrap=seed,
        settings=_energy_settings(limits),
    )
    counts = tuple(step_counts(run, phases, raw.metrics_before, raw.metrics_after))
    gates = cell_gates(
        run,
        requests=raw.requests,
        readings=raw.readings,
        sampler=raw.sampler_report,
        calibration=raw.calibration,
        window=window,
        latency=latency,
        throughput=throughput,
        energy=energy,
        transfer=transfer,
        foreign_processes=raw.run.foreign_processes,
        step_counts=counts,
        limits=GateLimits(**{key: value for key, value in limits.items() if key != MAX_CONDITION_NUMBER}),
        load_report=raw.load_report,
        metrics=(raw.metrics_before, raw.metrics_after),
    )
    return CellResult(
        key=run.key,
        cell=run.cell,
        server_start_id=run.server_start.id,
        window=window,
        latency=latency,
        throughput=throughput,
        energy=energy,
        transfer=transfer,
        client=raw.calibration,
        balance=balance_result(run.server_start.instances, raw.proxy.values()),
        activity=role_activities(raw.readings, phases, started_mono_ns=run.started_mono_ns),
        step_counts=counts,
        gates=gates,
        warnings=(
            *run.warnings,
            *(f"{host.name}: its clock is not known: its readings have no place in time" for host in _timeless(run)),
            *phases.clock_untold.values(),
            *size_warnings(transfer, run),
            *transfer_warnings(transfer, run.kv_bytes_per_token),
        ),
    )


def _idle_windows_s(run: RunRecord) -> list[tuple[float, float]]:
    """Return the loaded-idle windows on the cell's time axis."""
    started = run.started_mono_ns
    return [((begin - started) / NS_PER_S, (end - started) / NS_PER_S) for begin, end in run.idle_windows_mono_ns]


def _timeless(run: RunRecord) -> list[HostRecord]:
    return [host for host in run.hosts if host.clock is None]


def _energy_settings(limits: Mapping[str, float]) -> EnergySettings:
    if MAX_CONDITION_NUMBER not in limits:
        return EnergySettings()
    return EnergySettings(RegressionSettings(max_condition_number=limits[MAX_CONDITION_NUMBER]))
