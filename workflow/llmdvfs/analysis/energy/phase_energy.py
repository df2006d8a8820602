"""Splits a role's energy among phases, by regression of energy increments on occupancy (docs/energy.md#phases)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from llmdvfs.analysis.axis.occupancy import PHASES, Level, Occupancy
from llmdvfs.analysis.energy.bootstrap import block_weights, percentile_interval
from llmdvfs.analysis.energy.cross_validation import explains_alike, supported_models
from llmdvfs.analysis.energy.curve import EnergyCurve
from llmdvfs.analysis.energy.lag import Lag, lag_beyond, own_lag_s, role_lags
from llmdvfs.analysis.energy.levels import power_models
from llmdvfs.analysis.energy.phase_increments import PhaseIncrements, phase_increments
from llmdvfs.analysis.energy.queue_time import QueueTime, queue_time
from llmdvfs.analysis.energy.refresh_error import refresh_error_s, refresh_power_error_w
from llmdvfs.analysis.energy.regression import PhaseSums, phase_sums
from llmdvfs.analysis.sensors import Floats
from llmdvfs.records.result import Estimate, PhaseEnergy
from llmdvfs.records.spec import DeviceRole, Phase

SEEN_FROM_ARRIVAL: tuple[Phase, ...] = ("prefill", "mixed", "queue", "idle")
LOWEST_IDLE = 0.97  # of the measured power: a tenth of the idle time called prefill shows as more than that
MIN_IDLE_S = 0.3  # less says nothing about the power of idle devices
WIDEST_LAG_S = 0.5
WIDE_STEP_S = 0.01


@dataclass(frozen=True, slots=True)
class RegressionSettings:
    """Limits of the phase regression; docs/energy.md shows what they do."""

    num_bootstrap: int = 1000
    """Number of resamples."""
    block_s: float = 1.0
    """Length of a block of time that is redrawn as a whole, since the errors of neighbouring increments are not
    independent (one refresh ends both)."""
    min_blocks: int = 10
    """Number of blocks below which a bootstrap says little, and no interval is given."""
    max_condition_number: float = 30.0
    """Limit beyond which collinearity does harm, by Belsley, with columns scaled to unit length."""
    min_occupancy_s: float = 1.0
    """Time, about ten refreshes of a 100 ms counter, below which a phase cannot be told from noise."""
    max_lag_s: float = 0.15
    """Largest time by which the energy readings may trail the phases' edges, or lead them."""
    lag_step_s: float = 0.002
    """Distance of the candidate lags."""
    max_models: int = 12
    """How many power models are tried, from the plainest on; 1: each phase has one power."""
    max_model_error: float = 0.02
    """Largest difference, as a fraction, between models that explain the readings alike; a phase on which they differ
    by more is not given."""

    @property
    def lags_s(self) -> Floats:
        """Return the candidate lags [s], rising."""
        steps = round(self.max_lag_s / self.lag_step_s)
        return self.lag_step_s * np.arange(-steps, steps + 1, dtype=np.float64)

    @property
    def lags_beyond_s(self) -> Floats:
        """Return lags outside the search [s]: where one of them fits better, none inside it is right."""
        wide_s = np.arange(-WIDEST_LAG_S, WIDEST_LAG_S + WIDE_STEP_S / 2, WIDE_STEP_S)
        found: Floats = wide_s[np.abs(wide_s) > self.max_lag_s + WIDE_STEP_S / 2]
        return found


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
    """Seconds of the window that the role spent in each phase that occurred."""
    num_devices: int
    models: tuple[PowerModel, ...]
    """Models from the plainest (each phase at one power) to the richest; empty: fewer increments than phases."""
    rivals: tuple[tuple[dict[Phase, float], PowerModel], ...] = ()
    """The richest model with other times in the queue that are as likely, each with its seconds by phase."""
    piece_rival: tuple[dict[Phase, float], PowerModel] | None = None
    """The richest model if decode steps beside a waiting prompt held pieces of it, with its seconds by phase; None: it
    cannot be."""
    edge_error_s: dict[Phase, float] = field(default_factory=dict)
    """Seconds by which a phase may be told too long or too short, because stamps are late."""
    beyond: PhaseSums | None = None
    """Sums of the richest model over lags outside the search; None: not looked for."""
    reason: str | None = None
    """Why nothing can be told of the role's phases; None: it can be."""
    idle_power_w: float | None = None
    """Power of one device, measured before and after the load; None: not measured."""
    num_begins: dict[Phase, int] = field(default_factory=dict)
    """How often each phase began in the window."""


@dataclass(frozen=True, slots=True)
class RolePhases:
    """What the regression says of one role: its phases, how well conditioned it was, and the lag."""

    phases: tuple[PhaseEnergy, ...]
    condition_number: float | None
    lag_s: float | None


def role_increments(
    role: DeviceRole,
    curves: Sequence[EnergyCurve],
    occupancy: Occupancy,
    window_s: tuple[float, float],
    settings: RegressionSettings,
    *,
    with_pieces: Occupancy | None = None,
    idle_power_w: float | None = None,
    untold: str | None = None,
) -> RoleIncrements:
    """Return the increments of the role's devices inside the window, beside the phases that the role was in.

    curves: of each device. window_s: begin and end. with_pieces: the occupancy if decode steps held pieces of prompts
    that are not seen from outside; None: it cannot be. idle_power_w: of one device, measured without load. untold: why
    the occupancy is not what the engine did; None: it is.
    """
    # A lag may bring in a phase from just outside the window.
    wider_s = (window_s[0] - settings.max_lag_s, window_s[1] + settings.max_lag_s)
    ladder = power_models(occupancy, wider_s, len(curves))[: settings.max_models]
    later_s = _later_s(curves, occupancy, ladder[-1], window_s, settings)
    queue, beyond = QueueTime(), None
    rows = phase_increments(curves, occupancy, ladder[-1], window_s, later_s)
    if len(rows.energy_j) >= len(ladder[-1]) and len(rows.phases) > 1 and settings.max_models > 1:
        sums = _sums(rows, window_s, settings)
        beyond = _sums(rows, window_s, settings, settings.lags_beyond_s)
        best = int(sums.profile()[1].argmax())
        near_s = settings.lags_s[max(best - 10, 0) : best + 11]
        queue = queue_time(curves, occupancy, ladder[-1], window_s, later_s, near_s, settings.min_occupancy_s)

    def model(told: Occupancy, levels: tuple[Level, ...]) -> PowerModel:
        rows = phase_increments(curves, told, levels, window_s, later_s)
        return PowerModel(rows, _sums(rows, window_s, settings))

    told = occupancy.with_queue(queue.best_s)
    spent_s = _spent_s(told, window_s)
    num_begins = {p: told.num_begins(p, *window_s) for p in PHASES}
    others = [occupancy.with_queue(s) for s in (queue.low_s, queue.high_s) if s != queue.best_s]
    enough = [levels for levels in ladder if len(rows.energy_j) >= len(levels)]
    return RoleIncrements(
        role,
        spent_s,
        len(curves),
        tuple(model(told, levels) for levels in enough),
        tuple((_spent_s(other, window_s), model(other, enough[-1])) for other in others if enough),
        _piece_rival(with_pieces, curves, window_s, later_s, settings) if enough else None,
        {p: count * occupancy.edge_error_s for p, count in num_begins.items()},
        beyond,
        untold or queue.reason,
        idle_power_w,
        num_begins,
    )


def _spent_s(told: Occupancy, window_s: tuple[float, float]) -> dict[Phase, float]:
    """Return the seconds of the window in each phase that the role was in."""
    seconds = {phase: told.seconds_between(phase, *window_s) for phase in PHASES}
    return {phase: s for phase, s in seconds.items() if s > 0}


def _piece_rival(
    told: Occupancy | None,
    curves: Sequence[EnergyCurve],
    window_s: tuple[float, float],
    later_s: Sequence[float],
    settings: RegressionSettings,
) -> tuple[dict[Phase, float], PowerModel] | None:
    """Return the richest model of this occupancy; None where there is none, or too few increments for it."""
    if told is None or settings.max_models == 1:
        return None
    wider_s = (window_s[0] - settings.max_lag_s, window_s[1] + settings.max_lag_s)
    levels = power_models(told, wider_s, len(curves))[-1]
    rows = phase_increments(curves, told, levels, window_s, later_s)
    if len(rows.energy_j) < len(levels):
        return None
    return _spent_s(told, window_s), PowerModel(rows, _sums(rows, window_s, settings))


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


def _sums(
    rows: PhaseIncrements, window_s: tuple[float, float], settings: RegressionSettings, lags_s: Floats | None = None
) -> PhaseSums:
    block = ((rows.begin_s - window_s[0]) // settings.block_s).astype(np.int64)
    return phase_sums(
        rows.seconds_over(settings.lags_s if lags_s is None else lags_s), rows.length_s, rows.energy_j, block
    )


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
        lags = [replace(lag, reason=too_far) for lag in lags]
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
            rival_j = rival.power_of("idle" if phase == "queue" else phase) * spent_s.get(phase, 0.0) * own.num_devices
            error_j = max(error_j, abs(rival_j - value_j))
        ends = rng.normal(0.0, ends_j * seconds / sum(device_s.values()), len(resampled_w))
        resampled_j = resampled_w[:, column] * seconds + ends
        energy = _estimate(value_j, resampled_j, error_j, own.models[0].sums.num_blocks, reason, settings)
        stretch_s = own.spent_s[phase] / max(own.num_begins.get(phase, 0), 1)
        found.append(PhaseEnergy(own.role, phase, seconds, _times(energy, 1 / seconds), energy, stretch_s))
    return RolePhases(tuple(found), condition, fit.lag_s if several and unknown_lag is None else None)


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
    missing_s = max(device_s - float(rows.length_s.sum()), 0.0)
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
    return Estimate(value_j, max(low - error_j, 0.0), high + error_j)


def _times(estimate: Estimate, factor: float) -> Estimate:
    value, low, high = (None if x is None else x * factor for x in (estimate.value, estimate.low, estimate.high))
    return Estimate(value, low, high, estimate.reason)
