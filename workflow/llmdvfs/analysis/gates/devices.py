"""Gates on devices and telemetry: whether sensors were read well, and the hardware was left alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from llmdvfs.analysis.gates.limits import GateLimits
from llmdvfs.analysis.gates.verdict import not_applicable, verdict
from llmdvfs.analysis.sensors import Series, device_series
from llmdvfs.records.point import AppliedPoint, OperatingPoint, in_words
from llmdvfs.records.readings import Readings
from llmdvfs.records.result import DeviceEnergy, EnergyResult, Gate
from llmdvfs.records.telemetry import SamplerReport

THERMAL_S = ("sw_thermal_s", "hw_thermal_s", "hw_power_brake_s")
CAP_S = ("sw_power_cap_s",)
THERMAL_BITS = 0x20 | 0x40 | 0x80  # nvmlClocksEventReason SwThermalSlowdown, HwThermalSlowdown, HwPowerBrakeSlowdown
CAP_BIT = 0x04  # SwPowerCap
CLOCK_SETTING_BIT = 0x02  # ApplicationsClocksSetting: a lock or an application clock holds the clock down
MIN_READINGS_FOR_DRIFT = 3


@dataclass(frozen=True, slots=True)
class ServingDevices:
    """The devices of the deployment, with the cell's readings."""

    devices: tuple[DeviceEnergy, ...]
    readings: Readings
    started_mono_ns: int
    window_s: tuple[float, float]
    _series: dict[tuple[str, str], Series] = field(default_factory=dict, init=False, repr=False, compare=False)
    """By device and quantity: what has been asked of before is not read again."""

    def series(self, device_id: str, quantity: str) -> Series:
        """Return the readings of one quantity of one device inside the window."""
        key = (device_id, quantity)
        if key not in self._series:
            self._series[key] = device_series(self.readings.of(device_id), quantity, self.started_mono_ns)
        found = self._series[key]
        inside = (found.t_s >= self.window_s[0]) & (found.t_s <= self.window_s[1])
        return Series(found.t_s[inside], found.value[inside])


def counter_against_integral(energy: EnergyResult, serving: ServingDevices, limits: GateLimits) -> Gate:
    """Judge whether the energy counter and the integral of power agree on every device."""
    name, expected = "counter_against_integral", f"within {limits.max_disagreement_fraction:.0%} on every device"
    if energy.source != "nvml_counter" or not serving.devices:
        return not_applicable(name, f"energy source {energy.source}: nothing to compare", expected=expected)
    seen, passed = [], True
    for device in serving.devices:
        difference = device.disagreement_fraction
        device_id = device.device_id
        seen.append(f"{device_id} not comparable" if difference is None else f"{device_id} {difference:+.1%}")
        passed &= difference is not None and abs(difference) <= limits.max_disagreement_fraction
    remedy = "use a longer window and a load whose period is not near 100 ms; look for gaps in telemetry.jsonl"
    return verdict(name, passed, seen=", ".join(seen), expected=expected, remedy=remedy)


def missed_samples(sampler: SamplerReport | None, limits: GateLimits) -> Gate:
    """Judge whether the sampler kept its schedule to the end."""
    name, expected = "missed_samples", f"less than {limits.max_missed_fraction:.0%} of the slots missed"
    if sampler is None or sampler.num_slots == 0:
        return not_applicable(name, "no sampler ran", expected=expected)
    if sampler.error is not None:
        return verdict(
            name, False, seen=f"the sampler ended early: {sampler.error}", expected=expected, remedy="see its report"
        )
    fraction = sampler.num_missed_slots / sampler.num_slots
    return verdict(
        name,
        fraction < limits.max_missed_fraction,
        seen=f"{sampler.num_missed_slots} of {sampler.num_slots} ({fraction:.2%})",
        expected=expected,
        remedy="raise the sampling interval or leave the sampler a core",
    )


def throttling(serving: ServingDevices) -> Gate:
    """Judge whether heat or the power brake held a clock down."""
    remedy = "cool the machine, wait between cells, or lower the load"
    return _held_down("throttling", serving, THERMAL_S, THERMAL_BITS, remedy)


def power_cap(serving: ServingDevices, applied: AppliedPoint) -> Gate:
    """Judge whether the power limit held down a clock that the operating point has set."""
    remedy = "the point measured the power limit, not the clock: lock a lower clock or lower the load"
    if applied.by_role("power_limit_w"):
        why = "the operating point sets a power limit: to reach it is its purpose"
        return not_applicable("power_cap", why, expected="no time held down")
    gate = _held_down("power_cap", serving, CAP_S, CAP_BIT, remedy)
    if not any(setting.is_locked for setting in applied.settings) and gate.status == "failed":
        # a loaded GPU reaches its limit now and then; that is how stock clocks behave, and clocks under a ceiling
        return not_applicable("power_cap", f"no core clock was locked; {gate.seen}", expected=gate.expected)
    return gate


def clock_as_requested(
    serving: ServingDevices, point: OperatingPoint, applied: AppliedPoint, limits: GateLimits
) -> Gate:
    """Judge whether the operating point was applied, and the cores ran at the clock that it asks for.

    A point that was not applied fails whatever the clocks were, one of memory clocks or power limits alone too: the
    cell bears the name of settings that it never had.
    """
    name = "clock_as_requested"
    expected = f"median SM clock within {limits.max_clock_error_mhz:g} MHz of the request"
    if not applied.is_as_asked:
        why = f"{point.id} was not applied, {in_words(applied.state)}: {applied.reason or 'no reason was recorded'}"
        remedy = "see docs/operating-points.md for what the state means, remove the cause, and measure the cell again"
        return verdict(name, False, seen=why, expected=f"the point applied, and the {expected}", remedy=remedy)
    asked = [
        (device, point.sm_clock_mhz[device.role], point.sm_clock_min_mhz.get(device.role))
        for device in serving.devices
        if device.role in point.sm_clock_mhz
    ]
    if not asked:
        return not_applicable(name, "no core clock was asked for", expected=expected)
    seen, passed = [], True
    for device, high_mhz, low_mhz in asked:
        median_mhz = device.sm_clock_mhz.p50
        wanted = f"{high_mhz} MHz" if low_mhz is None else f"{low_mhz} to {high_mhz} MHz"
        seen.append(f"{device.device_id} {'not read' if median_mhz is None else f'{median_mhz:.0f}'} for {wanted}")
        passed &= median_mhz is not None and (
            (high_mhz if low_mhz is None else low_mhz) - limits.max_clock_error_mhz
            <= median_mhz
            <= high_mhz + limits.max_clock_error_mhz
        )
    remedy = "the driver clamps some requests; choose a clock that it grants"
    return verdict(name, passed, seen=", ".join(seen), expected=expected, remedy=remedy)


def stock_state(serving: ServingDevices, applied: AppliedPoint) -> Gate:
    """Judge whether the GPUs were as their maker delivers them, but for what the operating point set."""
    name, expected = "stock_state", "limits and clocks that nobody else has changed"
    if not applied.before:
        return not_applicable(name, "no GPU was looked at before the cell", expected=expected)
    seen = [departure for gpu in applied.before if (departure := gpu.departs_from_stock) is not None]
    if applied.state != "applied":  # an idle GPU does not tell that its clocks are held: the load's readings do
        for device in serving.devices:
            share = _bits_set(serving, device.device_id, CLOCK_SETTING_BIT)
            seen += [f"{device.device_id}: clocks held by somebody: {share}"] if share else []
    remedy = "reset it (nvidia-smi -rgc, -rmc, -rac, -pl <default>), or ask who set it, then measure again (forget)"
    return verdict(name, not seen, seen="; ".join(seen) or "nothing changed", expected=expected, remedy=remedy)


def temperature_drift(serving: ServingDevices, limits: GateLimits) -> Gate:
    """Judge whether the temperature was steady."""
    name, expected = "temperature_drift", f"at most {limits.max_temperature_drift_c:g} degrees over the window"
    drifts = {}
    for device in serving.devices:
        series = serving.series(device.device_id, "temperature_c")
        if len(series) >= MIN_READINGS_FOR_DRIFT:
            slope = float(np.polyfit(series.t_s - serving.window_s[0], series.value, 1)[0])
            drifts[device.device_id] = slope * (serving.window_s[1] - serving.window_s[0])
    if not drifts:
        return not_applicable(name, "no temperature readings", expected=expected)
    return verdict(
        name,
        all(abs(drift) <= limits.max_temperature_drift_c for drift in drifts.values()),
        seen=", ".join(f"{device_id} {drift:+.1f}" for device_id, drift in drifts.items()),
        expected=expected,
        remedy="warm the device up for longer before the cell",
    )


def foreign_processes(found: Sequence[str] | None) -> Gate:
    """Judge whether somebody else computed on the deployment's devices."""
    name, expected = "foreign_processes", "no process of somebody else on the devices"
    if found is None:
        return not_applicable(name, "not looked for: no GPU", expected=expected)
    seen = "; ".join(found) if found else "none"
    return verdict(name, not found, seen=seen, expected=expected, remedy="end them, or choose other GPUs")


def _held_down(name: str, serving: ServingDevices, counters: Sequence[str], bits: int, remedy: str) -> Gate:
    """Return the gate on the driver's cumulative counters; for a device without them, on its event bits."""
    expected = "no time held down"
    found: dict[str, str] = {}
    for device in serving.devices:
        moved = _moved(serving, device.device_id, counters)
        held = moved if moved is not None else _bits_set(serving, device.device_id, bits)
        if held is not None:
            found[device.device_id] = held
    if not found:
        return not_applicable(name, "no such readings", expected=expected)
    seen = "; ".join(f"{device_id} {held}" for device_id, held in found.items() if held)
    return verdict(name, not seen, seen=seen or "none", expected=expected, remedy=remedy)


def _moved(serving: ServingDevices, device_id: str, counters: Sequence[str]) -> str | None:
    """Return which counters moved inside the window and by how much, `""` for none of them, None without readings."""
    spans = {}
    for counter in counters:
        series = serving.series(device_id, counter)
        if len(series) >= 2:
            spans[counter] = float(series.value[-1] - series.value[0])
    return ", ".join(f"{counter} +{span:.3g}" for counter, span in spans.items() if span > 0) if spans else None


def _bits_set(serving: ServingDevices, device_id: str, bits: int) -> str | None:
    """Return the share of readings with one of the bits, `""` for none of them, None without readings."""
    reasons = serving.series(device_id, "clock_event_reasons").value
    if not len(reasons):
        return None
    fraction = float(np.mean((reasons.astype(np.int64) & bits) != 0))
    return f"held down in {fraction:.1%} of the readings" if fraction > 0 else ""
