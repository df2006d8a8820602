"""The driver's own power samples, one about every 20 ms, held against the counter and its split (docs/metrics.md#fine).

A sample is the mean power of the 25 ms before it. So most samples lie wholly inside a phase of 50 ms or more, where the
counter's 100 ms increments straddle its edges; but what happens between two samples that are further apart is not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmdvfs.analysis.axis.occupancy import PHASES, Level, Occupancy
from llmdvfs.analysis.energy.bootstrap import block_weights, percentile_interval
from llmdvfs.analysis.energy.curve import EnergyCurve
from llmdvfs.analysis.energy.increment_blocks import in_blocks
from llmdvfs.analysis.energy.phase_increments import PhaseIncrements, phase_increments
from llmdvfs.analysis.energy.regression import PhaseSums
from llmdvfs.analysis.energy.sampled_curve import MIN_SAMPLES, SEEN_S, SampledCurve, stretches_j
from llmdvfs.analysis.sensors import Floats, Series
from llmdvfs.records.result import Estimate, FinePhase, FineSplit
from llmdvfs.records.spec import DeviceRole

MIN_PHASE_S = 0.3  # a dozen samples
MAX_CONDITION = 30.0  # Belsley's, as of the counter's regression
STRETCH_S = 1.0  # over which samples and counter are compared, and which are resampled whole
NUM_RESAMPLES = 200
LAGS_S = 0.002 * np.arange(-30, 31, dtype=np.float64)  # the driver's stamps are of its own clock's microsecond


@dataclass(frozen=True, slots=True)
class SampledDevice:
    """One device of a role: the driver's samples of its power [W], and its energy by the counter."""

    samples: Series
    counter: EnergyCurve


def fine_split(
    role: DeviceRole,
    devices: Sequence[SampledDevice],
    occupancy: Occupancy,
    window_s: tuple[float, float],
    seed_bootstrap: int,
) -> FineSplit | None:
    """Return the role's phases as the samples tell them; None where a device has too few samples in the window.

    Powers are scaled to the counter's energy of the window, so that a gain of the samples is no difference of phases.
    """
    inside = [_between(device.samples, window_s) for device in devices]
    if not inside or min(len(samples) for samples in inside) < MIN_SAMPLES:
        return None
    parts_j = [stretches_j(own, device.counter, STRETCH_S) for own, device in zip(inside, devices, strict=True)]
    sampled_j, counted_j = (np.concatenate([part[i] for part in parts_j]) for i in (0, 1))
    gain = float(sampled_j.sum() / counted_j.sum()) if counted_j.sum() > 0 else None
    gaps_s = np.concatenate([np.diff(samples.t_s) for samples in inside])
    levels = tuple(Level(p, holds_queue=p == "idle") for p in PHASES if occupancy.seconds_between(p, *window_s) > 0)
    rows = _rows(inside, occupancy, levels, window_s, gain or 1.0)
    sums = _sums(rows, window_s)
    powers_w, position = sums.fit(np.ones((1, sums.num_blocks)))
    resampled_w = sums.fit(block_weights(sums.num_blocks, NUM_RESAMPLES, seed_bootstrap))[0]
    at = round(float(position[0]))
    # Samples closer than what each sees overlap: their seconds together are more than passed.
    passed = float(np.minimum(gaps_s, SEEN_S).sum() / (SEEN_S * len(gaps_s)))
    return FineSplit(
        role=role,
        num_samples=sum(len(samples) for samples in inside),
        gap_s=float(np.median(gaps_s)),
        blind_fraction=float(np.maximum(gaps_s - SEEN_S, 0.0).sum() / gaps_s.sum()),
        counter_difference_fraction=None if gain is None else gain - 1,
        aliasing_fraction=_aliasing(sampled_j, counted_j),
        lag_s=float(np.interp(position[0], np.arange(len(LAGS_S)), LAGS_S)),
        phases=tuple(
            FinePhase(
                level.phase,
                float(sums.seconds[at][i]) * passed,
                _estimate(sums, at, i, float(powers_w[0, i]), resampled_w[:, i]),
            )
            for i, level in enumerate(levels)
        ),
        transient_fraction=_transient(inside, occupancy, levels, window_s, gain or 1.0),
    )


def _between(series: Series, window_s: tuple[float, float]) -> Series:
    inside = (series.t_s >= window_s[0]) & (series.t_s <= window_s[1])
    return Series(series.t_s[inside], series.value[inside])


def _aliasing(sampled_j: Floats, counted_j: Floats) -> float | None:
    """Return how far samples and counter differ in a stretch beyond their mean difference, standard deviation."""
    if len(counted_j) < 3 or not (counted_j > 0).all():
        return None
    return float(np.std(sampled_j / counted_j, ddof=1))


def _rows(
    inside: Sequence[Series],
    occupancy: Occupancy,
    levels: tuple[Level, ...],
    window_s: tuple[float, float],
    gain: float,
) -> PhaseIncrements:
    """Return each sample as an increment: the energy of the time that it saw."""
    curves = [SampledCurve(samples, gain) for samples in inside]
    return phase_increments(curves, occupancy, levels, window_s, most=sum(map(len, inside)))


def _sums(rows: PhaseIncrements, window_s: tuple[float, float]) -> PhaseSums:
    block = ((rows.end_s - window_s[0]) // STRETCH_S).astype(np.int64)
    return in_blocks(rows, block).sums_over(LAGS_S)


def _estimate(sums: PhaseSums, at: int, column: int, power_w: float, resampled_w: Floats) -> Estimate:
    seconds = float(sums.seconds[at][column])
    if seconds < MIN_PHASE_S:
        return Estimate(None, reason=f"samples saw {seconds:.2f} s of this phase, at least {MIN_PHASE_S:.1f} s needed")
    if (condition := sums.condition_number(at, MIN_PHASE_S)) > MAX_CONDITION:
        return Estimate(None, reason=f"not identifiable: no sample is in one phase alone (condition {condition:.0f})")
    return Estimate(power_w, *percentile_interval(resampled_w))


def _transient(
    inside: Sequence[Series],
    occupancy: Occupancy,
    levels: tuple[Level, ...],
    window_s: tuple[float, float],
    gain: float,
) -> float | None:
    """Return by how much more the phase that follows idle times draws in its first 0.1 s than later; None: not told."""
    working = [level.phase for level in levels if level.phase in ("prefill", "decode", "mixed")]
    first = max(working, key=lambda phase: _early_s(occupancy, phase, window_s), default=None)
    if first is None:
        return None
    parts = (Level(first, part="early"), Level(first, part="late"))
    others = (level for level in levels if level.phase != first)
    sums = _sums(_rows(inside, occupancy, (*parts, *others), window_s, gain), window_s)
    powers_w, position = sums.fit(np.ones((1, sums.num_blocks)))
    at = round(float(position[0]))
    told = min(sums.seconds[at][:2]) >= MIN_PHASE_S and sums.condition_number(at, MIN_PHASE_S) <= MAX_CONDITION
    early_w, late_w = powers_w[0, :2]
    return float(early_w / late_w - 1) if told and late_w > 0 else None


def _early_s(occupancy: Occupancy, phase: str, window_s: tuple[float, float]) -> float:
    own = np.array([p == phase for p in occupancy.phase], dtype=np.bool_) & occupancy.early
    return float(np.diff(np.clip(occupancy.edge_s, *window_s))[own].sum()) if len(own) else 0.0
