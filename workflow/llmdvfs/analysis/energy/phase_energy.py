"""Energy of each phase of a role: regression of energy increments on phase occupancy (docs/energy.md#phases)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmdvfs.analysis.axis.occupancy import PHASES, Occupancy
from llmdvfs.analysis.energy.bootstrap import block_weights, percentile_interval
from llmdvfs.analysis.energy.curve import EnergyCurve
from llmdvfs.analysis.energy.lag import Lag, common_lag
from llmdvfs.analysis.energy.phase_increments import PhaseIncrements, phase_increments
from llmdvfs.analysis.energy.refresh_error import refresh_error_s, refresh_power_error_w
from llmdvfs.analysis.energy.regression import PhaseSums, phase_sums
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
    lag_step_s: float = 0.002

    @property
    def lags_s(self) -> Floats:
        """Return the candidate lags."""
        steps = round(self.max_lag_s / self.lag_step_s)
        return self.lag_step_s * np.arange(-steps, steps + 1, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class RoleIncrements:
    """The energy increments of a role's devices, ready to be split among its phases at any lag."""

    role: DeviceRole
    spent_s: dict[Phase, float]
    """Seconds of the window in each phase that the role was in."""
    num_devices: int
    rows: PhaseIncrements
    sums: PhaseSums | None
    """None: there are fewer increments than phases."""


@dataclass(frozen=True, slots=True)
class RolePhases:
    """What the regression says of one role."""

    phases: tuple[PhaseEnergy, ...]
    condition_number: float | None
    lag_s: float | None


def role_increments(
    role: DeviceRole,
    curves: Sequence[EnergyCurve],
    occupancy: Occupancy,
    window_s: tuple[float, float],
    settings: RegressionSettings,
) -> RoleIncrements:
    """Return the increments of the role's devices inside the window, beside the phases that the role was in."""
    spent_s = {phase: occupancy.seconds_between(phase, *window_s) for phase in PHASES}
    # A lag may bring in a phase from just outside the window.
    wider_s = (window_s[0] - settings.max_lag_s, window_s[1] + settings.max_lag_s)
    columns = tuple(phase for phase in PHASES if occupancy.seconds_between(phase, *wider_s) > 0)
    rows = phase_increments(curves, occupancy, columns, window_s)
    sums = None
    if len(rows.energy_j) >= len(columns):
        block = ((rows.begin_s - window_s[0]) // settings.block_s).astype(np.int64)
        seconds_by_lag = (rows.seconds(lag_s) for lag_s in settings.lags_s)
        sums = phase_sums(seconds_by_lag, rows.length_s, rows.energy_j, block)
    return RoleIncrements(role, {p: s for p, s in spent_s.items() if s > 0}, len(curves), rows, sums)


def energy_of_phases(
    roles: Sequence[RoleIncrements], seed_bootstrap: int, settings: RegressionSettings
) -> dict[DeviceRole, RolePhases]:
    """Return the energy of each phase of each role, all devices of the role together.

    Each device is taken to draw one power in each phase; what the data cannot tell is None, with the reason.
    """
    known = [own.sums for own in roles if own.sums is not None]
    lag = common_lag(known, settings.lags_s) if known else Lag(0, 0)
    return {own.role: _role_phases(own, lag, seed_bootstrap, settings) for own in roles}


def _role_phases(own: RoleIncrements, lag: Lag, seed_bootstrap: int, settings: RegressionSettings) -> RolePhases:
    device_s = {phase: spent_s * own.num_devices for phase, spent_s in own.spent_s.items()}
    if own.sums is None:
        unknown = Estimate(None, reason="not identifiable: fewer energy increments in the window than phases")
        phases = tuple(PhaseEnergy(own.role, p, seconds, unknown, unknown) for p, seconds in device_s.items())
        return RolePhases(phases, None, None)
    sums = own.sums.at(lag.first, lag.last)
    fitted_w, position = sums.fit(np.ones((1, sums.num_blocks)))
    power_w = fitted_w[0]
    lag_s = float(settings.lags_s[lag.first] + settings.lag_step_s * position[0])
    condition = sums.condition_number(round(float(position[0])), settings.min_occupancy_s)
    resampled_w = _resampled(sums, own.rows, power_w, lag_s, seed_bootstrap, settings)
    several = len(device_s) > 1
    found = []
    for phase, seconds in device_s.items():
        column = own.rows.phases.index(phase)
        reason = _reason_not_identifiable(condition, seconds, settings) or (lag.reason if several else None)
        power = _estimate(float(power_w[column]), resampled_w[:, column], sums.num_blocks, reason, settings)
        found.append(PhaseEnergy(own.role, phase, seconds, power, _times(power, seconds)))
    return RolePhases(tuple(found), condition, lag_s if several and lag.reason is None else None)


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
