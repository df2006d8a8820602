"""Energy of a deployment over the measured window, by phase and by device (docs/metrics.md#energy)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from llmdvfs.analysis.axis.occupancy import occupancy_of, occupancy_with_pieces
from llmdvfs.analysis.energy.curve import EnergyCurve, Incremental
from llmdvfs.analysis.energy.device import MeasuredDevice, measure_device
from llmdvfs.analysis.energy.fine_split import SampledDevice, fine_split
from llmdvfs.analysis.energy.phase_energy import RolePhases, energy_of_phases
from llmdvfs.analysis.energy.regression_settings import RegressionSettings
from llmdvfs.analysis.energy.role_increments import RoleIncrements, role_increments
from llmdvfs.analysis.energy.sampled_curve import sampled_curve
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.readings import Readings
from llmdvfs.records.result import EnergyResult, FineSplit, PhaseEnergy
from llmdvfs.records.spec import DeviceRole
from llmdvfs.records.telemetry import EnergySource, TelemetryDevice, TelemetryHeader

MAX_LAG_OF_SAMPLES_S = 0.06  # the driver stamps its samples itself: an error of its clock's map, and of their 25 ms
WELL_KNOWN = 0.01  # half of a phase's interval: where the counter knows all phases so well, the samples are not asked
NO_POWER_DATA = "no power data on this machine"

MAX_PERIOD_OF_PHASES_S = 2.0
"""A phase lasts tenths of a second to seconds; an exporter collects every 30 s unless it is told otherwise."""

METHODS: dict[EnergySource, str] = {
    "nvml_counter": "NVML energy counter, edges interpolated between its refreshes",
    "nvml_power": "trapezoid of NVML power readings (the device has no energy counter)",
    "rapl": "RAPL energy counters, edges interpolated between readings",
    "bmc_power": "trapezoid of the power that the host's management controller tells",
    "none": NO_POWER_DATA,
}


@dataclass(frozen=True, slots=True)
class EnergySettings:
    """Settings by which the energy of a cell is worked out."""

    regression: RegressionSettings = field(default_factory=RegressionSettings)


def energy_result(
    header: TelemetryHeader,
    readings: Readings,
    phases: PhasesRecord,
    *,
    started_mono_ns: int,
    idle_windows_s: Sequence[tuple[float, float]],
    idle_readings: Readings | None = None,
    num_prompt_tokens: int,
    num_output_tokens: int,
    num_requests: int,
    mean_e2e_s: float | None,
    seed_bootstrap: int,
    settings: EnergySettings,
) -> EnergyResult:
    """Return the energy of the deployment over the window of `phases`; what was not measured is None.

    The deployment is the devices that have a role; others are reported beside it and never added. Counts of tokens and
    requests are those of the window. idle_windows_s: times of loaded servers without requests, before and after the
    load; empty: no net energy. idle_readings: those that cover these windows, where they are not among `readings`.
    mean_e2e_s: for the energy-delay product, None where there is none.
    """
    window_s = (phases.window_begin_s, phases.window_end_s)
    source = header.deployment_source(phases.device_roles)
    roles = {device.device_id: _energy_role(device, phases, source) for device in header.devices}
    devices = [
        measure_device(
            readings.of(device.device_id),
            device.device_id,
            roles[device.device_id],
            source if roles[device.device_id] is not None else header.source_of(device),
            started_mono_ns=started_mono_ns,
            window_s=window_s,
            idle_windows_s=idle_windows_s,
            idle_readings=None if idle_readings is None else idle_readings.of(device.device_id),
        )
        for device in header.devices
    ]
    serving = [device for device in devices if device.record.role is not None]
    gross_j = _total([device.energy_j for device in serving])
    idle_power_w = _total([device.record.idle_power_w for device in serving])
    length_s = window_s[1] - window_s[0]
    by_role = {
        role: [device for device in serving if device.record.role == role] for role in dict.fromkeys(_roles(serving))
    }
    increments = [_increments(role, members, phases, window_s, settings) for role, members in by_role.items()]
    known = [own for own in increments if own is not None]
    regressed = energy_of_phases(known, seed_bootstrap, settings.regression)
    conditions = [r.condition_number for r in regressed.values() if r.condition_number is not None]
    untold = {role for role, r in regressed.items() if any(_half_width(phase) > WELL_KNOWN for phase in r.phases)}
    of_samples = replace(settings, regression=replace(settings.regression, max_lag_s=MAX_LAG_OF_SAMPLES_S))
    sampled = [_increments(role, by_role[role], phases, window_s, of_samples, by_samples=True) for role in untold]
    by_samples = energy_of_phases([own for own in sampled if own is not None], seed_bootstrap, of_samples.regression)
    found_phases = tuple(
        phase for role, r in regressed.items() for phase in _told_by_either(r.phases, by_samples.get(role))
    )
    per_request_j = _per(gross_j, num_requests)
    return EnergyResult(
        source=source,
        method=_method(source, serving),
        gross_j=gross_j,
        net_j=None if gross_j is None or idle_power_w is None else gross_j - idle_power_w * length_s,
        mean_power_w=_per(gross_j, length_s),
        energy_per_prompt_token_j=_per(gross_j, num_prompt_tokens),
        energy_per_output_token_j=_per(gross_j, num_output_tokens),
        energy_per_token_j=_per(gross_j, num_prompt_tokens + num_output_tokens),
        energy_per_request_j=per_request_j,
        output_tokens_per_j=None if not gross_j else num_output_tokens / gross_j,
        energy_delay_product_js=None if per_request_j is None or mean_e2e_s is None else per_request_j * mean_e2e_s,
        by_role_j={role: _total([device.energy_j for device in members]) for role, members in by_role.items()},
        phases=found_phases,
        phase_label="attributed" if found_phases else "none",
        condition_number=max(conditions, default=None),
        devices=tuple(device.record for device in devices),
        phase_source_by_role={
            own.role: "engine_steps" if any(step.role == own.role for step in phases.steps) else "requests"
            for own in known
        },
        lag_by_role_s={role: r.lag_s for role, r in regressed.items() if r.lag_s is not None},
        fine=tuple(
            split for role, members in by_role.items() if (split := _fine(role, members, phases, seed_bootstrap))
        ),
    )


def _fine(
    role: DeviceRole, members: Sequence[MeasuredDevice], phases: PhasesRecord, seed_bootstrap: int
) -> FineSplit | None:
    """Return what the driver's power samples say of the role; None where a device lacks them, a counter or a clock."""
    sampled = [
        SampledDevice(device.power_samples, device.curve)
        for device in members
        if device.curve is not None and device.energy_j is not None and device.record.counter_j is not None
    ]
    if len(sampled) < len(members) or role in phases.clock_untold or not all(len(own.samples) for own in sampled):
        return None
    window_s = (phases.window_begin_s, phases.window_end_s)
    return fine_split(role, sampled, occupancy_of(phases, role), window_s, seed_bootstrap)


def _energy_role(device: TelemetryDevice, phases: PhasesRecord, source: EnergySource) -> DeviceRole | None:
    """Return the role in which a device counts for the deployment's energy; None: it is only described.

    With a power source the deployment's energy is that of its sensors alone; RAPL beside GPUs would add two kinds of
    measurement.
    """
    has_energy = device.kind == ("rapl" if source == "rapl" else "gpu")
    return phases.device_roles.get(device.device_id) if source == "none" or has_energy else None


def _roles(devices: Sequence[MeasuredDevice]) -> list[DeviceRole]:
    return [device.record.role for device in devices if device.record.role is not None]


def _increments(
    role: DeviceRole,
    members: Sequence[MeasuredDevice],
    phases: PhasesRecord,
    window_s: tuple[float, float],
    settings: EnergySettings,
    *,
    by_samples: bool = False,
) -> RoleIncrements | None:
    """Return the role's energy increments; None where a device of the role has no energy in the window.

    by_samples: those of the driver's own power samples in place of its counter's; None where a device lacks them.
    """
    energies = [device.curve for device in members if device.curve is not None and device.energy_j is not None]
    if len(energies) < len(members):
        return None
    curves: list[Incremental] = list(energies)
    if by_samples:
        found = [
            sampled_curve(device.power_samples, energy, window_s)
            for device, energy in zip(members, energies, strict=True)
        ]
        curves = [curve for curve in found if curve is not None]
        if len(curves) < len(members):
            return None
    occupancy = occupancy_of(phases, role)
    has_steps = any(step.role == role for step in phases.steps)
    idle_w = _total([device.record.idle_power_w for device in members])
    untold = None if has_steps or not occupancy.overlaps else phases.steps_untold.get(role)
    untold = phases.clock_untold.get(role, untold)
    untold = untold if by_samples else next(filter(None, map(_slowly, energies)), untold)
    return role_increments(
        role,
        curves,
        occupancy,
        window_s,
        settings.regression,
        with_pieces=occupancy_with_pieces(phases, role),
        idle_power_w=None if idle_w is None else idle_w / len(members),
        engine_wait=phases.engine_wait.get(role),
        untold=None if untold is None else f"not identifiable: {untold}",
    )


def _slowly(curve: EnergyCurve) -> str | None:
    """Return why a device's refreshes are too far apart for phases; None: they are not."""
    period_s = float(np.median(np.diff(curve.t_s)))
    if period_s <= MAX_PERIOD_OF_PHASES_S:
        return None
    return (
        f"{curve.name} is refreshed every {period_s:.1f} s, and phases are told apart by {MAX_PERIOD_OF_PHASES_S:g} s"
    )


def _half_width(phase: PhaseEnergy) -> float:
    """Return half of the interval, as a fraction of the energy; infinite where the phase is not told."""
    energy = phase.energy_j
    if not energy.value:
        return math.inf
    return 0.0 if energy.low is None or energy.high is None else (energy.high - energy.low) / 2 / energy.value


def _told_by_either(by_energy: Sequence[PhaseEnergy], by_samples: RolePhases | None) -> Iterator[PhaseEnergy]:
    """Yield each phase by the device's energy, or by the power samples where they know it more narrowly."""
    others = {} if by_samples is None else {phase.phase: phase for phase in by_samples.phases}
    for phase in by_energy:
        other = others.get(phase.phase, phase)
        if _half_width(phase) > WELL_KNOWN and _half_width(other) < _half_width(phase):
            yield replace(other, sensor="power_samples")
        else:
            yield phase


def _method(source: EnergySource, serving: Sequence[MeasuredDevice]) -> str:
    if source == "none":
        return NO_POWER_DATA
    if not serving:
        return f"{METHODS[source]}; no device with a sensor serves this deployment"
    missing = [gap for device in serving for gap in device.gaps]
    return "; ".join([METHODS[source], *dict.fromkeys(missing)])


def _total(values: Sequence[float | None]) -> float | None:
    """Return the sum; None where there is nothing to add or a part of it is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _per(energy_j: float | None, amount: float) -> float | None:
    return energy_j / amount if energy_j is not None and amount > 0 else None
