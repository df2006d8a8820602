"""Energy and condition of one device over a window, by every method that its sensors allow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llmdvfs.analysis.distribution import distribution
from llmdvfs.analysis.energy.curve import EnergyCurve, curve_from_counter, curve_from_power
from llmdvfs.analysis.sensors import Series, device_series, sensor_traits
from llmdvfs.clock import NS_PER_S
from llmdvfs.errors import TelemetryGap
from llmdvfs.records.readings import DeviceReadings
from llmdvfs.records.result import DeviceEnergy, Distribution, SensorTraits
from llmdvfs.records.spec import DeviceRole
from llmdvfs.records.telemetry import POWER_ONLY, EnergySource

IDLE_MARGIN_S = 0.5  # readings beyond an idle window's edges, between which the edges lie
SENSORS = ("energy_j", "power_instant_w", "power_average_w")
POWER_SAMPLES = "power_sample_w"
CLOCKS = ("sm_clock_mhz", "cpu_clock_mhz")
UTILISATIONS = ("gpu_utilisation_fraction", "cpu_utilisation_fraction")
CONDITION = ("memory_power_w", "temperature_c", *CLOCKS, *UTILISATIONS)


@dataclass(frozen=True, slots=True)
class MeasuredDevice:
    """A device's record, and the curve from which its energy was taken."""

    record: DeviceEnergy
    curve: EnergyCurve | None
    """None: the device has no usable energy reading."""
    energy_j: float | None
    """Energy over the window, taken from `curve`; None where there is none."""
    gaps: tuple[str, ...]
    """Why numbers are missing, a sentence each."""
    power_samples: Series
    """The driver's own samples of power, one every 20 ms or so; empty where it keeps none."""


def measure_device(
    readings: DeviceReadings,
    device_id: str,
    role: DeviceRole | None,
    source: EnergySource,
    *,
    started_mono_ns: int,
    window_s: tuple[float, float],
    idle_windows_s: Sequence[tuple[float, float]],
    idle_readings: DeviceReadings | None = None,
) -> MeasuredDevice:
    """Return what the device used in the window; what the readings cannot give is None, the reason in `gaps`.

    role: None where the device serves nobody. window_s, idle_windows_s: in seconds since the cell's start.
    idle_readings: those of the idle windows alone, each window apart from the others; None: `readings` cover them.
    """
    quantities = (*SENSORS, *CONDITION, POWER_SAMPLES)
    series = {quantity: device_series(readings, quantity, started_mono_ns) for quantity in quantities}
    gaps: list[str] = []
    power_name = "power_instant_w" if len(series["power_instant_w"]) else "power_average_w"
    power = series[power_name]
    counter_curve = _curve(curve_of_live_counter, f"energy counter of {device_id}", series["energy_j"], gaps)
    power_curve = _curve(curve_from_power, f"power of {device_id}", power, gaps)
    counter_j = _energy(counter_curve, window_s, gaps)
    integral_j = _energy(power_curve, window_s, gaps)
    curve, energy_j = (power_curve, integral_j) if source in POWER_ONLY else (counter_curve, counter_j)
    idle_curves = [curve for _ in idle_windows_s]
    if idle_readings is not None:
        idle_curves = [_idle_curve(idle_readings, device_id, source, started_mono_ns, w, gaps) for w in idle_windows_s]
    length_s = window_s[1] - window_s[0]
    traits = {name: found for name in SENSORS if (found := sensor_traits(series[name])) is not None}
    record = DeviceEnergy(
        device_id=device_id,
        role=role,
        counter_j=counter_j,
        integral_j=integral_j,
        disagreement_fraction=integral_j / counter_j - 1 if counter_j and integral_j is not None else None,
        idle_power_w=_mean_power(idle_curves, idle_windows_s, gaps),
        mean_power_w=None if energy_j is None or length_s <= 0 else energy_j / length_s,
        max_power_w=_highest(power, window_s),
        memory_power_w=distribution(series["memory_power_w"].between(*window_s)).mean,
        update_period_s=_period(traits, power_name if source in POWER_ONLY else "energy_j"),
        sm_clock_mhz=_condition(series, CLOCKS, window_s),
        temperature_c=_condition(series, ("temperature_c",), window_s),
        utilisation_fraction=_condition(series, UTILISATIONS, window_s),
        sensors=traits,
    )
    return MeasuredDevice(record, curve, energy_j, tuple(gaps), series[POWER_SAMPLES])


def curve_of_live_counter(name: str, counter: Series) -> EnergyCurve:
    """Return the counter's curve; TelemetryGap where the counter stands still at 0.

    Nothing counts then, and 0 J would be a lie.
    """
    if not np.any(counter.value):
        raise TelemetryGap(
            f"{name} stood still at 0 in all of its {len(counter)} readings; expected one that grows: the driver or "
            "the virtual machine does not count; use the integral of power instead"
        )
    return curve_from_counter(name, counter)


def _condition(series: Mapping[str, Series], names: Sequence[str], window_s: tuple[float, float]) -> Distribution:
    """Return the distribution of the one of these quantities that the device has."""
    own = next((series[name] for name in names if len(series[name])), series[names[0]])
    return distribution(own.between(*window_s))


def _curve(
    make: Callable[[str, Series], EnergyCurve], name: str, series: Series, gaps: list[str]
) -> EnergyCurve | None:
    """Return the curve, and note in `gaps` why not; no note where the device has no such sensor at all."""
    if not len(series):
        return None
    try:
        return make(name, series)
    except TelemetryGap as gap:
        gaps.append(str(gap))
        return None


def _energy(curve: EnergyCurve | None, window_s: tuple[float, float], gaps: list[str]) -> float | None:
    if curve is None:
        return None
    try:
        return curve.between_j(*window_s)
    except TelemetryGap as gap:
        gaps.append(str(gap))
        return None


def _idle_curve(
    readings: DeviceReadings,
    device_id: str,
    source: EnergySource,
    started_mono_ns: int,
    window_s: tuple[float, float],
    gaps: list[str],
) -> EnergyCurve | None:
    """Return the device's curve around one idle window.

    A curve through all windows would have no beat to find: what lies between them was not read.
    """
    first_ns, last_ns = (started_mono_ns + round(edge_s * NS_PER_S) for edge_s in window_s)
    margin_ns = round(IDLE_MARGIN_S * NS_PER_S)
    near = readings.between(first_ns - margin_ns, last_ns + margin_ns)
    series = {quantity: device_series(near, quantity, started_mono_ns) for quantity in SENSORS}
    if source in POWER_ONLY:
        power = series["power_instant_w"] if len(series["power_instant_w"]) else series["power_average_w"]
        return _curve(curve_from_power, f"idle power of {device_id}", power, gaps)
    return _curve(curve_of_live_counter, f"idle energy counter of {device_id}", series["energy_j"], gaps)


def _mean_power(
    curves: Sequence[EnergyCurve | None], windows_s: Sequence[tuple[float, float]], gaps: list[str]
) -> float | None:
    """Return energy over time of the windows together, a curve each; None where one of them is not covered."""
    energies_j = [_energy(curve, window_s, gaps) for curve, window_s in zip(curves, windows_s, strict=True)]
    known_j = [energy_j for energy_j in energies_j if energy_j is not None]
    length_s = sum(end_s - begin_s for begin_s, end_s in windows_s)
    return sum(known_j) / length_s if length_s > 0 and len(known_j) == len(energies_j) else None


def _highest(power: Series, window_s: tuple[float, float]) -> float | None:
    values = power.between(*window_s)
    return float(np.max(values)) if len(values) else None


def _period(traits: dict[str, SensorTraits], quantity: str) -> float | None:
    return traits[quantity].update_period_s if quantity in traits else None
