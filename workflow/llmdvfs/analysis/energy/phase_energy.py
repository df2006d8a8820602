"""Splits a role's energy among phases, by regression of energy increments on occupancy (docs/energy.md#phases)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmdvfs.analysis.energy.bootstrap import block_weights, percentile_interval
from llmdvfs.analysis.energy.cross_validation import explains_alike, supported_models
from llmdvfs.analysis.energy.lag import Lag, alike_reason, lag_beyond, role_lags
from llmdvfs.analysis.energy.phase_increments import PhaseIncrements
from llmdvfs.analysis.energy.refresh_error import refresh_error_s, refresh_power_error_w
from llmdvfs.analysis.energy.regression_settings import RegressionSettings
from llmdvfs.analysis.energy.role_increments import PowerModel, RoleIncrements
from llmdvfs.analysis.sensors import Floats
from llmdvfs.records.result import Estimate, PhaseEnergy
from llmdvfs.records.spec import DeviceRole, Phase

SEEN_FROM_ARRIVAL: tuple[Phase, ...] = ("prefill", "mixed", "queue", "idle")
LOWEST_IDLE = 0.97  # of the measured power: a tenth of the idle time called prefill shows as more than that
MIN_IDLE_S = 0.3  # less says nothing about the power of idle devices


@dataclass(frozen=True, slots=True)
class RolePhases:
    """What the regression says of one role: its phases, how well conditioned it was, and the lag."""

    phases: tuple[PhaseEnergy, ...]
    condition_number: float | None
    lag_s: float | None


def energy_of_phases(
    roles: Sequence[RoleIncrements], seed_bootstrap: int, settings: RegressionSettings
) -> dict[DeviceRole, RolePhases]:
    """Return the energy of each phase of each role, all devices of the role together.

    Every device of a role is taken to draw the power of the role's model. What the data cannot tell is None, with the
    reason. seed_bootstrap: equal seeds give equal intervals.
    """
    known = [own for own in roles if own.models]
    lags = role_lags([own.models[-1].sums for own in known], settings.lags_s)
    wide = [(own.models[-1].sums, own.beyond) for own in known if own.beyond is not None]
    too_far = lag_beyond([one for one, _ in wide], [other for _, other in wide], settings.lags_beyond_s)
    if too_far is not None:
        lags = [replace(lag, reason=too_far, rivals=()) for lag in lags]
    lag_of = {own.role: lag for own, lag in zip(known, lags, strict=True)}
    return {own.role: _role_phases(own, lag_of.get(own.role, Lag(0, 0)), seed_bootstrap, settings) for own in roles}


def _role_phases(own: RoleIncrements, lag: Lag, seed_bootstrap: int, settings: RegressionSettings) -> RolePhases:
    device_s = {phase: spent_s * own.num_devices for phase, spent_s in own.spent_s.items()}
    if not own.models:
        unknown = Estimate(None, reason="not identifiable: fewer energy increments in the window than phases")
        phases = tuple(PhaseEnergy(own.role, p, seconds, unknown, unknown) for p, seconds in device_s.items())
        return RolePhases(phases, None, None)
    best = lag.first + int(own.models[-1].sums.at(lag.first, lag.last).profile()[1].argmax())
    chosen, *alike = supported_models([model.sums for model in own.models], best)
    fit = _fit(own.models[chosen], lag, settings)
    rivals = [(own.spent_s, _fit(own.models[i], lag, settings)) for i in alike]
    rivals += [(spent_s, _fit(model, lag, settings)) for spent_s, model in own.rivals]
    if own.piece_rival is not None and explains_alike(own.piece_rival[1].sums, own.models[-1].sums, best):
        rivals.append((own.piece_rival[0], _fit(own.piece_rival[1], lag, settings)))
    other_lags = [_fit(own.models[chosen], Lag(at - 1, at + 1), settings) for at in lag.rivals]
    unlike = alike_reason([round(fit.position), *lag.rivals], settings.lags_s) if lag.rivals else None
    condition = own.models[0].sums.condition_number(round(fit.position), settings.min_occupancy_s)
    resampled_w = _resampled(own.models[chosen], lag, fit, seed_bootstrap, settings)
    several = len(device_s) > 1
    too_low = _reason_idle_too_low(own, fit, settings)
    unknown_lag = own.reason or lag.reason
    rng = np.random.default_rng((seed_bootstrap, 2))
    ends_j = _ends_error_j(own.models[chosen].rows, sum(device_s.values()))
    found = []
    for phase, seconds in device_s.items():
        column = own.models[0].rows.phases.index("idle" if phase == "queue" else phase)
        reason = _reason_not_identifiable(condition, seconds, settings) or (unknown_lag if several else None)
        reason = reason or (too_low if phase in SEEN_FROM_ARRIVAL else None)
        value_j = float(fit.phase_w[column]) * seconds
        late_j = own.edge_error_s.get(phase, 0.0) * own.num_devices * float(fit.phase_w[column])
        error_j = late_j
        for spent_s, rival in rivals:
            rival_s = spent_s.get(phase, 0.0)
            if phase == "idle" and "queue" not in own.spent_s:  # a queue too short to be told is idle time
                rival_s += spent_s.get("queue", 0.0)
            rival_j = rival.power_of("idle" if phase == "queue" else phase) * rival_s * own.num_devices
            error_j = max(error_j, abs(rival_j - value_j))
        by_lags_j = max((abs(float(f.phase_w[column]) * seconds - value_j) for f in other_lags), default=0.0)
        if by_lags_j > settings.max_model_error * value_j:
            reason = reason or unlike
        error_j = max(error_j, by_lags_j)
        ends = rng.normal(0.0, ends_j * seconds / sum(device_s.values()), len(resampled_w))
        resampled_j = resampled_w[:, column] * seconds + ends
        energy = _estimate(value_j, resampled_j, error_j, own.models[0].sums.num_blocks, reason, settings)
        stretch_s = own.spent_s[phase] / max(own.num_begins.get(phase, 0), 1)
        found.append(PhaseEnergy(own.role, phase, seconds, _times(energy, 1 / seconds), energy, stretch_s))
    tells_lag = several and unknown_lag is None and not lag.rivals
    return RolePhases(tuple(found), condition, fit.lag_s if tells_lag else None)


@dataclass(frozen=True, slots=True)
class _Fit:
    """A model fitted to all increments."""

    position: float
    """Position of the lag on the grid of all lags."""
    lag_s: float
    power_w: Floats
    """Power of each level."""
    means: Floats
    """Matrix that makes of the levels' powers the phases' means, shape (levels, phases)."""
    phases: tuple[Phase, ...]
    """The phases of these means, in their order."""

    def power_of(self, phase: Phase) -> float:
        """Return the mean power of a phase; 0 where the model has no such phase."""
        return float(self.phase_w[self.phases.index(phase)]) if phase in self.phases else 0.0

    @property
    def phase_w(self) -> Floats:
        """Return the mean power of each phase [W]."""
        found: Floats = self.power_w @ self.means
        return found


def _fit(model: PowerModel, lag: Lag, settings: RegressionSettings) -> _Fit:
    sums = model.sums.at(lag.first, lag.last)
    power_w, position = sums.fit(np.ones((1, sums.num_blocks)))
    on_grid = lag.first + float(position[0])
    member_s = model.sums.seconds[round(on_grid)][:, None] * model.rows.level_of_phase()
    phase_s = member_s.sum(axis=0)
    means = np.divide(member_s, phase_s, out=np.zeros_like(member_s), where=phase_s > 0)
    lag_s = float(settings.lags_s[0] + settings.lag_step_s * on_grid)
    return _Fit(on_grid, lag_s, power_w[0], means, model.rows.phases)


def _reason_idle_too_low(own: RoleIncrements, fit: _Fit, settings: RegressionSettings) -> str | None:
    """Return why prefill and idle cannot be told, where idle comes out below what was measured; None: it does not.

    A fitted idle power above it is no wonder, since clocks stay up between two requests. Below it, some of the idle
    time was called prefill.
    """
    phases = own.models[0].rows.phases
    if own.idle_power_w is None or settings.max_models == 1 or "idle" not in phases:
        return None
    fitted_w = float(fit.phase_w[phases.index("idle")])
    if own.spent_s.get("idle", 0.0) * own.num_devices < MIN_IDLE_S or fitted_w >= LOWEST_IDLE * own.idle_power_w:
        return None
    return (
        f"not identifiable: an idle device would draw {fitted_w:.0f} W by the fit, and drew {own.idle_power_w:.0f} W "
        "when measured; requests seem to wait before their prefill, which is not seen from outside"
    )


def _ends_error_j(rows: PhaseIncrements, device_s: float) -> float:
    """Return the standard deviation of the energy at the window's ends, which no whole increment covers."""
    missing_s = max(device_s - rows.whole_s, 0.0)
    return missing_s / 2 * float(np.std(rows.energy_j / rows.length_s))


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
    value_j: float,
    resampled_j: Floats,
    error_j: float,
    num_blocks: int,
    reason: str | None,
    settings: RegressionSettings,
) -> Estimate:
    """Return the energy with its interval; error_j: of the model, by which the interval grows on both sides."""
    if reason is not None:
        return Estimate(None, reason=reason)
    low, high = percentile_interval(resampled_j)
    if settings.max_models > 1:
        error_j = max(error_j, settings.min_model_error * value_j)
    is_more_than_noise = error_j > (high - low) / 2
    if error_j > settings.max_model_error * value_j and is_more_than_noise and settings.max_models > 1:
        share = error_j / value_j if value_j > 0 else math.inf
        return Estimate(
            None,
            reason=f"not identifiable: models that explain the readings alike differ by {100 * share:.1f} % of it, "
            f"limit {100 * settings.max_model_error:.0f} %",
        )
    if num_blocks < settings.min_blocks:
        needed_s = settings.min_blocks * settings.block_s
        return Estimate(value_j, reason=f"no interval: the window is shorter than {needed_s:.0f} s")
    half_j = (high - low) / 2 + error_j
    if half_j > settings.max_half_width * value_j and settings.max_models > 1:
        share, limit = half_j / value_j if value_j > 0 else math.inf, settings.max_half_width
        return Estimate(
            None, reason=f"not identifiable: known to {100 * share:.0f} % at best, limit {100 * limit:.0f} %"
        )
    return Estimate(value_j, max(low - error_j, 0.0), high + error_j)


def _times(estimate: Estimate, factor: float) -> Estimate:
    value, low, high = (None if x is None else x * factor for x in (estimate.value, estimate.low, estimate.high))
    return Estimate(value, low, high, estimate.reason)
