"""All gates of one cell, in the order in which a reader should worry about them (docs/metrics.md#gates)."""

from collections.abc import Sequence

from llmdvfs.analysis.gates import devices, load
from llmdvfs.analysis.gates import energy as phase_energy
from llmdvfs.analysis.gates.agreement import raw_files_agree
from llmdvfs.analysis.gates.devices import ServingDevices
from llmdvfs.analysis.gates.host import host_quiet
from llmdvfs.analysis.gates.limits import GateLimits
from llmdvfs.analysis.gates.standstill import client_standstill
from llmdvfs.analysis.gates.steps import steps_as_counted
from llmdvfs.analysis.gates.streaming import tokens_streamed
from llmdvfs.records.load import CalibrationResult, LoadReport
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.readings import Readings
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import (
    EnergyResult,
    Gate,
    LatencyResult,
    StepCount,
    ThroughputResult,
    TransferResult,
    Window,
)
from llmdvfs.records.run import RunRecord
from llmdvfs.records.telemetry import SamplerReport


def cell_gates(
    run: RunRecord,
    *,
    requests: Sequence[RequestRecord],
    readings: Readings,
    sampler: SamplerReport | None,
    calibration: CalibrationResult | None,
    window: Window,
    latency: LatencyResult,
    throughput: ThroughputResult,
    energy: EnergyResult,
    transfer: TransferResult | None,
    foreign_processes: Sequence[str] | None,
    step_counts: Sequence[StepCount] = (),
    limits: GateLimits | None = None,
    load_report: LoadReport | None = None,
    metrics: tuple[MetricsRecord, MetricsRecord] | None = None,
) -> tuple[Gate, ...]:
    """Return all gates of a cell; one without data or meaning here is `not_applicable`. None raises or drops a result.

    requests: all of the load, those outside the window and the failed ones too; the warm-up is not among them.
    readings: all of the cell's telemetry. sampler: what the sampler says of itself; None: it left no report.
    calibration: the client's own error at this load; None: not calibrated.
    foreign_processes: what else was seen computing on the deployment's devices; None: nobody could look (no GPU).
    limits: None for the defaults. metrics: the servers' own, before and after the load. step_counts: of the
    roles whose steps were told.
    """
    limits = limits or GateLimits()
    serving = ServingDevices(
        devices=tuple(device for device in energy.devices if device.role is not None),
        readings=readings,
        started_mono_ns=run.started_mono_ns,
        window_s=(window.begin_s, window.end_s),
    )
    return (
        raw_files_agree(requests, load_report, None if run.deployment.device == "external" else metrics),
        load.failed_requests(throughput, run.workload),
        load.token_counts(requests),
        tokens_streamed(requests),
        load.achieved_rate(requests, run.workload, limits),
        load.client_lateness(latency, limits),
        client_standstill(load_report, window, run.started_mono_ns),
        load.client_error(calibration, latency, limits),
        load.steady_window(window, run.workload),
        load.latency_tail(window, latency, limits),
        load.window_length(window, energy.source != "none", limits),
        load.disaggregation(transfer, run.deployment, len(requests) + run.workload.num_warmup_requests, limits),
        devices.counter_against_integral(energy, serving, limits),
        phase_energy.fitted_idle_power(energy, limits),
        phase_energy.fitted_phase_powers(energy, serving, limits),
        phase_energy.sum_of_phases(energy, limits),
        phase_energy.split_by_samples(energy, limits),
        steps_as_counted(step_counts, limits),
        host_quiet(run.others_cpu_idle, run.others_cpu_load, limits),
        devices.missed_samples(sampler, limits),
        devices.foreign_processes(foreign_processes),
        devices.stock_state(serving, run.applied_point),
        devices.clock_as_requested(serving, run.point, run.applied_point, limits),
        devices.power_cap(serving, run.applied_point),
        devices.throttling(serving),
        devices.temperature_drift(serving, limits),
    )
