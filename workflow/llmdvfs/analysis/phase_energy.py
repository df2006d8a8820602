"""Energy of each phase of a role: regression of energy increments on phase occupancy (docs/energy.md#phases)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmdvfs.analysis.bootstrap import block_weights, percentile_interval
from llmdvfs.analysis.energy_curve import EnergyCurve
from llmdvfs.analysis.occupancy import PHASES, Occupancy
from llmdvfs.analysis.regression import BlockSums, block_sums
from llmdvfs.analysis.sensors import Floats
from llmdvfs.records.result import Estimate, PhaseEnergy
from llmdvfs.records.spec import DeviceRole, Phase


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
    lag_step_s: float = 0.0025


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
    lags_s = _lags(settings)
    rows = _rows(curves, occupancy, present, window_s, lags_s, settings)
    if rows is None:
        unknown = Estimate(None, reason="not identifiable: fewer energy increments in the window than phases")
        return RolePhases(
            tuple(PhaseEnergy(role, phase, spent_s[phase] * len(curves), unknown, unknown) for phase in present),
            None,
            None,
        )
    power_w, lag_index = rows.fit(np.ones((1, rows.num_blocks)))
    weights = block_weights(rows.num_blocks, settings.num_bootstrap, seed_bootstrap)
    resampled_w, _ = rows.fit(weights)
    condition = rows.condition_number(int(lag_index[0]))
    found = []
    for column, phase in enumerate(present):
        device_s = spent_s[phase] * len(curves)
        reason = _reason_not_identifiable(condition, device_s, settings)
        power = _estimate(float(power_w[0, column]), resampled_w[:, column], rows.num_blocks, reason, settings)
        found.append(PhaseEnergy(role, phase, device_s, power, _times(power, device_s)))
    return RolePhases(tuple(found), condition, float(lags_s[lag_index[0]]))


def _lags(settings: RegressionSettings) -> Floats:
    steps = round(settings.max_lag_s / settings.lag_step_s)
    return settings.lag_step_s * np.arange(-steps, steps + 1, dtype=np.float64)


def _rows(
    curves: Sequence[EnergyCurve],
    occupancy: Occupancy,
    present: Sequence[Phase],
    window_s: tuple[float, float],
    lags_s: Floats,
    settings: RegressionSettings,
) -> BlockSums | None:
    """Sum the rows of all devices by block of time; None where there are fewer rows than phases."""
    increments = [curve.increments(*window_s) for curve in curves]
    begin_s = np.concatenate([i.begin_s for i in increments])
    end_s = np.concatenate([i.end_s for i in increments])
    energy_j = np.concatenate([i.energy_j for i in increments])
    if len(energy_j) < len(present):
        return None
    # An increment carries the noise of its length, so that a long one (a missed refresh) does not outweigh the rest.
    weight = 1 / np.sqrt(end_s - begin_s)

    def design(lag_s: float) -> Floats:
        columns = [
            occupancy.seconds_before(phase, end_s - lag_s) - occupancy.seconds_before(phase, begin_s - lag_s)
            for phase in present
        ]
        weighted: Floats = np.stack(columns, axis=1) * weight[:, None]
        return weighted

    block = ((begin_s - window_s[0]) // settings.block_s).astype(np.int64)
    return block_sums((design(float(lag_s)) for lag_s in lags_s), energy_j * weight, block)


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
