"""A run whose true energy is known: requests one after another on one fake GPU, and what polling its sensors saw."""

from dataclasses import dataclass, field

import numpy as np
from fakes.nvml import FakeNvml, SensorName

from llmdvfs.records.phases import PhaseInterval, PhasesRecord
from llmdvfs.records.spec import Phase
from llmdvfs.records.telemetry import Reading, TelemetryDevice, TelemetryHeader

NS_PER_S = 1_000_000_000
IDLE_S = 5.0  # loaded and idle, before the first request and after the last
QUANTITY_OF: dict[SensorName, str] = {
    "energy": "energy_j",
    "power_instant": "power_instant_w",
    "power_average": "power_average_w",
}


@dataclass(frozen=True, slots=True)
class Load:
    """Requests that prefill, then decode, then leave the GPU idle for a moment."""

    prefill_s: float = 0.2
    decode_s: float = 2.0
    pause_s: float = 0.1
    """Mean of an exponential distribution."""
    num_requests: int = 30
    prefill_w: float = 690.0
    decode_w: float = 400.0
    idle_w: float = 75.0
    power_spread_fraction: float = 0.0
    """Standard deviation of a phase's power from request to request."""
    length_spread_fraction: float = 0.1
    """Lengths are uniform within +- this share."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """How the GPU is read."""

    counter_period_s: float = 0.1
    counter_window_s: float = 0.0
    """0: the counter sees everything."""
    counter_jitter_s: float = 0.001
    counter_poll_s: float = 0.02
    power_poll_s: float = 0.1
    poll_jitter_s: float = 0.002
    phase_error_s: float = 0.0
    """By how much the reported phase edges are late."""
    queue_s: float = 0.0
    """Mean of the exponential time by which a reported prefill begins too early, as if it had queued."""


@dataclass(frozen=True, slots=True)
class MeteredRun:
    """Telemetry and phases as the analysis gets them, and the truth."""

    header: TelemetryHeader
    readings: tuple[Reading, ...]
    phases: PhasesRecord
    idle_windows_s: tuple[tuple[float, float], ...]
    true_j: dict[str, float] = field(default_factory=dict)
    """Per phase, and `total`, over the window."""


def metered_run(fake: FakeNvml, seed: int, load: Load, instrument: Instrument) -> MeteredRun:
    """Draw a load, run it on GPU 0 in virtual time and poll the sensors."""
    rng = np.random.default_rng(seed)
    edges_s, powers_w, intervals = _requests(rng, load)
    end_s = edges_s[-1] + IDLE_S
    edges_ns = np.round(np.array(edges_s) * NS_PER_S).astype(np.int64)
    fake.set_power_trace(0, edges_ns, powers_w)
    fake.set_sensor(
        0,
        "energy",
        period_s=instrument.counter_period_s,
        window_s=instrument.counter_window_s,
        phase_s=rng.uniform(0, instrument.counter_period_s),
        jitter_s=instrument.counter_jitter_s,
    )
    for sensor, window_s in (("power_instant", 0.025), ("power_average", 1.0)):
        fake.set_sensor(0, sensor, period_s=0.102, window_s=window_s, phase_s=rng.uniform(0, 0.1), jitter_s=0.01)
    readings = [
        *_poll(fake, rng, ("energy",), instrument.counter_poll_s, instrument.poll_jitter_s, end_s),
        *_poll(fake, rng, ("power_instant", "power_average"), instrument.power_poll_s, instrument.poll_jitter_s, end_s),
    ]
    late = instrument.phase_error_s
    queued_s = rng.exponential(instrument.queue_s, len(intervals))
    reported = tuple(
        PhaseInterval(i, phase, "single", begin_s + late - (early_s if phase == "prefill" else 0.0), end + late, False)
        for (i, phase, begin_s, end), early_s in zip(intervals, queued_s, strict=True)
    )
    window = (intervals[0][2], intervals[-1][3])
    return MeteredRun(
        header=TelemetryHeader(
            devices=(TelemetryDevice("gpu0", "gpu", "fake"),),
            interval_s=instrument.power_poll_s,
            counter_interval_s=instrument.counter_poll_s,
            started_mono_ns=0,
            started_unix_s=0.0,
            energy_source="nvml_counter",
        ),
        readings=tuple(readings),
        phases=PhasesRecord(reported, {"gpu0": "single"}, *window, *window),
        idle_windows_s=((0.5, IDLE_S - 0.5), (end_s - IDLE_S + 0.5, end_s - 0.5)),
        true_j=_truth(fake, intervals, window),
    )


def naive_phase_energy_j(run: MeteredRun, phase: Phase, quantity: str = "power_instant_w") -> float:
    """Return what tagging power samples with the phase gives: their mean times the phase's time."""
    edges_s = np.array([(i.begin_s, i.end_s) for i in run.phases.intervals if i.phase == phase])
    samples = [(r.begin_mono_ns / NS_PER_S, r.values[quantity]) for r in run.readings if quantity in r.values]
    t_s, power_w = np.array(samples).T
    inside = np.searchsorted(edges_s.ravel(), t_s, side="right") % 2 == 1  # phases of one kind do not overlap here
    return float(power_w[inside].mean() * np.diff(edges_s).sum())


def _requests(rng: np.random.Generator, load: Load):
    """Return the trace's edges and powers, and (index, phase, begin, end) of each phase."""
    now_s = IDLE_S
    edges_s, powers_w, intervals = [0.0], [load.idle_w], []
    for i in range(load.num_requests):
        for phase, length_s, power_w in (
            ("prefill", load.prefill_s, load.prefill_w),
            ("decode", load.decode_s, load.decode_w),
        ):
            edges_s.append(now_s)
            powers_w.append(power_w * (1 + load.power_spread_fraction * rng.standard_normal()))
            begin_s, now_s = now_s, now_s + length_s * (1 + load.length_spread_fraction * rng.uniform(-1, 1))
            intervals.append((i, phase, begin_s, now_s))
        edges_s.append(now_s)
        powers_w.append(load.idle_w)
        now_s += 1e-3 + rng.exponential(load.pause_s)
    return edges_s, powers_w, intervals


def _poll(fake: FakeNvml, rng: np.random.Generator, sensors, interval_s: float, jitter_s: float, end_s: float):
    """Poll with delays that are never negative, as of a process that is woken late."""
    slots_s = np.arange(rng.uniform(0, interval_s), end_s, interval_s)
    t_ns = np.round((slots_s + np.abs(rng.normal(0, jitter_s, len(slots_s)))) * NS_PER_S).astype(np.int64)
    t_ns = np.maximum.accumulate(t_ns)
    values = {QUANTITY_OF[sensor]: fake.poll(0, sensor, t_ns).tolist() for sensor in sensors}
    return [
        Reading("gpu0", int(t), int(t), {quantity: column[i] for quantity, column in values.items()})
        for i, t in enumerate(t_ns)
    ]


def _truth(fake: FakeNvml, intervals, window) -> dict[str, float]:
    def energy_j(begin_s: float, end_s: float) -> float:
        return fake.true_energy_j(0, round(begin_s * NS_PER_S), round(end_s * NS_PER_S))

    truth = {"prefill": 0.0, "decode": 0.0, "total": energy_j(*window)}
    for _, phase, begin_s, end_s in intervals:
        truth[phase] += energy_j(begin_s, end_s)
    truth["idle"] = truth["total"] - truth["prefill"] - truth["decode"]
    return truth
