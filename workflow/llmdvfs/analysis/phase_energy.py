"""Energy of each phase of a role: regression of energy increments on phase occupancy (docs/energy.md#phases)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmdvfs.analysis.bootstrap import block_weights, percentile_interval
from llmdvfs.analysis.energy_curve import EnergyCurve
from llmdvfs.analysis.occupancy import PHASES, Occupancy
from llmdvfs.analysis.phase_increments import PhaseIncrements, phase_increments
from llmdvfs.analysis.refresh_error import refresh_error_s, refresh_power_error_w
from llmdvfs.analysis.regression import PhaseSums, phase_sums
from llmdvfs.analysis.sensors import Floats
from llmdvfs.records.result import Estimate, PhaseEnergy
from llmdvfs.records.spec import DeviceRole


@dataclass(frozen=True, slots=True)
class RegressionSettings:
    """Limits of the phase regression; docs/energy.md shows what they do."""

    num_bootstrap: int = 1000
    block_s: float = 1.0
    """Resampled whole, since the errors of neighbouring increments are not independent (one refresh ends both)."""
    min_blocks: int = 10
    """Below it a bootstrap says little: no interval is given."""
    max_condition_number: float = 30.0
    """Belsley's limit of harmful collinearity, columns scaled to unit length."""
    min_occupancy_s: float = 1.0
    """About ten refreshes of a 100 ms counter: less of a phase cannot be told from noise."""
    max_lag_s: float = 0.15
    """The energy readings may trail the phases' edges by so much, or lead them."""
    lag_step_s: float = 0.002


@dataclass(frozen=True, slots=True)
class RolePhases:
    """What the regression says of one role."""

    phases: tuple[PhaseEnergy, ...]
    condition_number: float | None
    lag_s: float | None


def role_phases(
    role: DeviceRole,
    curves: Sequence[EnergyCurve],
    occupancy: Occupancy,
    window_s: tuple[float, float],
    *,
    seed_bootstrap: int,
    settings: RegressionSettings,
) -> RolePhases:
    """Return the energy of each phase that the role was in during the window, all devices of the role together.

    Each device is taken to draw one power in each phase; what the data cannot tell is None, with the reason.
    """
    spent_s = {phase: occupancy.seconds_between(phase, *window_s) for phase in PHASES}
    present = [phase for phase in PHASES if spent_s[phase] > 0]
    # A lag may bring in a phase from just outside the window.
    wider_s = (window_s[0] - settings.max_lag_s, window_s[1] + settings.max_lag_s)
    columns = tuple(phase for phase in PHASES if occupancy.seconds_between(phase, *wider_s) > 0)
    rows = phase_increments(curves, occupancy, columns, window_s)
    if len(rows.energy_j) < len(columns):
        unknown = Estimate(None, reason="not identifiable: fewer energy increments in the window than phases")
        phases = tuple(PhaseEnergy(role, p, spent_s[p] * len(curves), unknown, unknown) for p in present)
        return RolePhases(phases, None, None)
    lags_s = _lags(settings)
    block = ((rows.begin_s - window_s[0]) // settings.block_s).astype(np.int64)
    sums = phase_sums((rows.seconds(lag_s) for lag_s in lags_s), rows.length_s, rows.energy_j, block)
    fitted_w, position = sums.fit(np.ones((1, sums.num_blocks)))
    power_w, lag_s = fitted_w[0], float(lags_s[0] + settings.lag_step_s * position[0])
    condition = sums.condition_number(round(float(position[0])))
    resampled_w = _resampled(sums, rows, power_w, lag_s, seed_bootstrap, settings)
    found = []
    for phase in present:
        column, device_s = columns.index(phase), spent_s[phase] * len(curves)
        reason = _reason_not_identifiable(condition, device_s, settings)
        power = _estimate(float(power_w[column]), resampled_w[:, column], sums.num_blocks, reason, settings)
        found.append(PhaseEnergy(role, phase, device_s, power, _times(power, device_s)))
    return RolePhases(tuple(found), condition, lag_s if len(present) > 1 else None)


def _resampled(
    sums: PhaseSums,
    rows: PhaseIncrements,
    power_w: Floats,
    lag_s: float,
    seed_bootstrap: int,
    settings: RegressionSettings,
) -> Floats:
    """Return resampled powers of the phases, shape (resamples, phases).

    Two errors are redrawn: the powers and the lag by which straddling increments are split (blocks of time, resampled),
    and the instants of the refreshes.
    """
    weights = block_weights(sums.num_blocks, settings.num_bootstrap, seed_bootstrap)
    powers_w, _ = sums.fit(weights)
    error_s = refresh_error_s(rows, lag_s)
    error_w = refresh_power_error_w(rows, lag_s, power_w, error_s)
    rng = np.random.default_rng((seed_bootstrap, 1))
    redrawn: Floats = powers_w + error_w * rng.standard_normal(powers_w.shape)
    return redrawn


def _lags(settings: RegressionSettings) -> Floats:
    steps = round(settings.max_lag_s / settings.lag_step_s)
    return settings.lag_step_s * np.arange(-steps, steps + 1, dtype=np.float64)


def _reason_not_identifiable(condition: float, device_s: float, settings: RegressionSettings) -> str | None:
    if condition > settings.max_condition_number:
        return (
            f"not identifiable: the phases always came together (condition number {condition:.0f}, "
            f"limit {settings.max_condition_number:.0f})"
        )
    if device_s < settings.min_occupancy_s:
        return f"not identifiable: {device_s:.2f} s in this phase, at least {settings.min_occupancy_s:.1f} s needed"
    return None


def _estimate(
    value: float, resampled: Floats, num_blocks: int, reason: str | None, settings: RegressionSettings
) -> Estimate:
    if reason is not None:
        return Estimate(None, reason=reason)
    if num_blocks < settings.min_blocks:
        needed_s = settings.min_blocks * settings.block_s
        return Estimate(value, reason=f"no interval: the window is shorter than {needed_s:.0f} s")
    low, high = percentile_interval(resampled)
    return Estimate(value, low, high)


def _times(estimate: Estimate, factor: float) -> Estimate:
    value, low, high = (None if x is None else x * factor for x in (estimate.value, estimate.low, estimate.high))
    return Estimate(value, low, high, estimate.reason)
