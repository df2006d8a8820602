"""Energy of each phase of a role: regression of energy increments on phase occupancy (docs/energy.md#phases)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmdvfs.analysis.axis.occupancy import PHASES, Level, Occupancy
from llmdvfs.analysis.energy.bootstrap import block_weights, percentile_interval
from llmdvfs.analysis.energy.curve import EnergyCurve
from llmdvfs.analysis.energy.cross_validation import supported_model
from llmdvfs.analysis.energy.lag import Lag, own_lag_s, role_lags
from llmdvfs.analysis.energy.levels import power_models
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
    max_models: int = 8
    """How many power models may be tried, from the plainest; 1: each phase has one power."""
    max_model_error: float = 0.01
    """A phase on which the chosen model and the next richer one differ by more is not given."""

    @property
    def lags_s(self) -> Floats:
        """Return the candidate lags."""
        steps = round(self.max_lag_s / self.lag_step_s)
        return self.lag_step_s * np.arange(-steps, steps + 1, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class PowerModel:
    """A power model of a role, with what its fit needs at every candidate lag."""

    rows: PhaseIncrements
    sums: PhaseSums


@dataclass(frozen=True, slots=True)
class RoleIncrements:
    """The energy increments of a role's devices, ready to be split among its phases at any lag."""

    role: DeviceRole
    spent_s: dict[Phase, float]
    """Seconds of the window in each phase that the role was in."""
    num_devices: int
    models: tuple[PowerModel, ...]
    """From the plainest (each phase at one power) to the richest; empty: fewer increments than phases."""


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
    ladder = power_models(occupancy, wider_s, len(curves))[: settings.max_models]
    later_s = _later_s(curves, occupancy, ladder[-1], window_s, settings)
    rows = [phase_increments(curves, occupancy, levels, window_s, later_s) for levels in ladder]
    models = [PowerModel(r, _sums(r, window_s, settings)) for r in rows if len(r.energy_j) >= len(r.levels)]
    return RoleIncrements(role, {p: s for p, s in spent_s.items() if s > 0}, len(curves), tuple(models))


def _later_s(
    curves: Sequence[EnergyCurve],
    occupancy: Occupancy,
    levels: tuple[Level, ...],
    window_s: tuple[float, float],
    settings: RegressionSettings,
) -> list[float]:
    """Return by how much each device trails further than the first; 0 for all where not every device tells its lag."""
    if len(curves) == 1 or len(levels) == 1:
        return [0.0] * len(curves)
    each = [phase_increments([curve], occupancy, levels, window_s) for curve in curves]
    if any(len(rows.energy_j) < len(levels) for rows in each):
        return [0.0] * len(curves)
    lags_s = [own_lag_s(_sums(rows, window_s, settings), settings.lags_s) for rows in each]
    told = [lag for lag in lags_s if lag is not None]
    return [lag - told[0] for lag in told] if len(told) == len(curves) else [0.0] * len(curves)


def _sums(rows: PhaseIncrements, window_s: tuple[float, float], settings: RegressionSettings) -> PhaseSums:
    block = ((rows.begin_s - window_s[0]) // settings.block_s).astype(np.int64)
    return phase_sums(rows.seconds_over(settings.lags_s), rows.length_s, rows.energy_j, block)


def energy_of_phases(
    roles: Sequence[RoleIncrements], seed_bootstrap: int, settings: RegressionSettings
) -> dict[DeviceRole, RolePhases]:
    """Return the energy of each phase of each role, all devices of the role together.

    Each device is taken to draw the power of the role's model; what the data cannot tell is None, with the reason.
    """
    known = [own for own in roles if own.models]
    lags = role_lags([own.models[-1].sums for own in known], settings.lags_s)
    lag_of = {own.role: lag for own, lag in zip(known, lags, strict=True)}
    return {own.role: _role_phases(own, lag_of.get(own.role, Lag(0, 0)), seed_bootstrap, settings) for own in roles}


def _role_phases(own: RoleIncrements, lag: Lag, seed_bootstrap: int, settings: RegressionSettings) -> RolePhases:
    device_s = {phase: spent_s * own.num_devices for phase, spent_s in own.spent_s.items()}
    if not own.models:
        unknown = Estimate(None, reason="not identifiable: fewer energy increments in the window than phases")
        phases = tuple(PhaseEnergy(own.role, p, seconds, unknown, unknown) for p, seconds in device_s.items())
        return RolePhases(phases, None, None)
    best = lag.first + int(own.models[-1].sums.at(lag.first, lag.last).profile()[1].argmax())
    chosen = supported_model([model.sums for model in own.models], best)
    fits = [_fit(model, lag, settings) for model in own.models[chosen : chosen + 2]]
    fit = fits[0]
    condition = own.models[0].sums.condition_number(round(fit.position), settings.min_occupancy_s)
    resampled_w = _resampled(own.models[chosen], lag, fit, seed_bootstrap, settings)
    several = len(device_s) > 1
    found = []
    for phase, seconds in device_s.items():
        column = own.models[0].rows.phases.index(phase)
        reason = _reason_not_identifiable(condition, seconds, settings) or (lag.reason if several else None)
        other_w = float(fits[-1].phase_w[column])
        power = _estimate(
            float(fit.phase_w[column]), resampled_w[:, column], other_w, own.models[0].sums.num_blocks, reason, settings
        )
        found.append(PhaseEnergy(own.role, phase, seconds, power, _times(power, seconds)))
    return RolePhases(tuple(found), condition, fit.lag_s if several and lag.reason is None else None)


@dataclass(frozen=True, slots=True)
class _Fit:
    """A model fitted to all increments."""

    position: float
    """Of the lag, on the grid of all lags."""
    lag_s: float
    power_w: Floats
    """Of each level."""
    means: Floats
    """What takes the levels' powers to the phases' means, shape (levels, phases)."""

    @property
    def phase_w(self) -> Floats:
        """Return the mean power of each phase."""
        found: Floats = self.power_w @ self.means
        return found


def _fit(model: PowerModel, lag: Lag, settings: RegressionSettings) -> _Fit:
    sums = model.sums.at(lag.first, lag.last)
    power_w, position = sums.fit(np.ones((1, sums.num_blocks)))
    on_grid = lag.first + float(position[0])
    member_s = model.sums.seconds[round(on_grid)][:, None] * model.rows.level_of_phase()
    phase_s = member_s.sum(axis=0)
    means = np.divide(member_s, phase_s, out=np.zeros_like(member_s), where=phase_s > 0)
    return _Fit(on_grid, float(settings.lags_s[0] + settings.lag_step_s * on_grid), power_w[0], means)


def _resampled(model: PowerModel, lag: Lag, fit: _Fit, seed_bootstrap: int, settings: RegressionSettings) -> Floats:
    """Return resampled mean powers of the phases, shape (resamples, phases).

    Two errors are redrawn: the powers and the lag by which straddling increments are split (blocks of time, resampled),
    and the instants of the refreshes.
    """
    sums = model.sums.at(lag.first, lag.last)
    weights = block_weights(sums.num_blocks, settings.num_bootstrap, seed_bootstrap)
    powers_w = sums.fit(weights)[0] @ fit.means
    error_s = refresh_error_s(model.rows, fit.lag_s, fit.power_w)
    error_w = refresh_power_error_w(model.rows, fit.lag_s, fit.power_w, error_s, fit.means)
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
    value: float, resampled: Floats, other: float, num_blocks: int, reason: str | None, settings: RegressionSettings
) -> Estimate:
    if reason is not None:
        return Estimate(None, reason=reason)
    if num_blocks < settings.min_blocks:
        needed_s = settings.min_blocks * settings.block_s
        return Estimate(value, reason=f"no interval: the window is shorter than {needed_s:.0f} s")
    low, high = percentile_interval(resampled)
    model_error = abs(other - value)
    if model_error > settings.max_model_error * value:
        return Estimate(None, reason=f"not identifiable: another model differs by {100 * model_error / value:.1f} %")
    return Estimate(value, low - model_error, high + model_error)


def _times(estimate: Estimate, factor: float) -> Estimate:
    value, low, high = (None if x is None else x * factor for x in (estimate.value, estimate.low, estimate.high))
    return Estimate(value, low, high, estimate.reason)
