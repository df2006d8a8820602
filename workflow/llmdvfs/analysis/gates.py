"""Validity of one cell: every gate, in the order in which a reader should worry (docs/metrics.md#gates)."""

from collections.abc import Sequence

from llmdvfs.analysis import device_gates, load_gates
from llmdvfs.analysis.device_gates import ServingDevices
from llmdvfs.analysis.gate_limits import GateLimits
from llmdvfs.records.load import CalibrationResult
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import EnergyResult, Gate, LatencyResult, ThroughputResult, TransferResult, Window
from llmdvfs.records.run import RunRecord
from llmdvfs.records.telemetry import Reading, SamplerReport


def cell_gates(
    run: RunRecord,
    *,
    requests: Sequence[RequestRecord],
    readings: Sequence[Reading],
    sampler: SamplerReport | None,
    calibration: CalibrationResult | None,
    window: Window,
    latency: LatencyResult,
    throughput: ThroughputResult,
    energy: EnergyResult,
    transfer: TransferResult | None,
    foreign_processes: Sequence[str] | None,
    limits: GateLimits | None = None,
) -> tuple[Gate, ...]:
    """Return all gates of a cell; one that has no data here is `not_applicable`. A failed gate marks, never drops.

    foreign_processes: what else was seen computing on the deployment's devices; None: nobody could look (no GPU).
    """
    limits = limits or GateLimits()
    serving = ServingDevices(
        devices=tuple(device for device in energy.devices if device.role is not None),
        readings=readings,
        started_mono_ns=run.started_mono_ns,
        window_s=(window.begin_s, window.end_s),
    )
    return (
        load_gates.failed_requests(throughput, run.workload),
        load_gates.token_counts(requests),
        load_gates.achieved_rate(requests, run.workload, limits),
        load_gates.client_lateness(latency, limits),
        load_gates.client_error(calibration, latency, limits),
        load_gates.steady_window(window, run.workload),
        load_gates.window_length(window, energy.source != "none", limits),
        load_gates.disaggregation(transfer, run.deployment, len(requests), limits),
        device_gates.counter_against_integral(energy, serving, limits),
        device_gates.missed_samples(sampler, limits),
        device_gates.foreign_processes(foreign_processes),
        device_gates.clock_as_requested(serving, run.point, limits),
        device_gates.power_cap(serving, run.point),
        device_gates.throttling(serving),
        device_gates.temperature_drift(serving, limits),
    )
