"""A role's energy increments beside its phases, under every model that may explain them (docs/energy.md#models)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from llmdvfs.analysis.axis.occupancy import PHASES, Level, Occupancy
from llmdvfs.analysis.energy.curve import Incremental
from llmdvfs.analysis.energy.increment_blocks import in_blocks
from llmdvfs.analysis.energy.lag import own_lag_s
from llmdvfs.analysis.energy.levels import power_models, shares_of
from llmdvfs.analysis.energy.phase_increments import MAX_INCREMENTS, PhaseIncrements, phase_increments
from llmdvfs.analysis.energy.queue_time import QueueTime, queue_time
from llmdvfs.analysis.energy.regression import PhaseSums
from llmdvfs.analysis.energy.regression_settings import RegressionSettings
from llmdvfs.analysis.sensors import Floats
from llmdvfs.records.phases import EngineWait
from llmdvfs.records.spec import DeviceRole, Phase


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


def role_increments(
    role: DeviceRole,
    curves: Sequence[Incremental],
    occupancy: Occupancy,
    window_s: tuple[float, float],
    settings: RegressionSettings,
    *,
    with_pieces: Occupancy | None = None,
    idle_power_w: float | None = None,
    engine_wait: EngineWait | None = None,
    untold: str | None = None,
) -> RoleIncrements:
    """Return the increments of the role's devices inside the window, beside the phases that the role was in.

    curves: of each device. window_s: begin and end. with_pieces: the occupancy if decode steps held pieces of prompts
    that are not seen from outside; None: it cannot be. idle_power_w: of one device, measured without load. engine_wait:
    how long requests were on their way before their prefill; None: the engine does not tell. untold: why the occupancy
    is not what the engine did; None: it is.
    """
    # A lag may bring in a phase from just outside the window.
    wider_s = (window_s[0] - settings.max_lag_s, window_s[1] + settings.max_lag_s)
    ladder = power_models(occupancy, wider_s, len(curves))[: settings.max_models]
    later_s = _later_s(curves, occupancy, ladder[-1], window_s, settings)
    queue, beyond, sums = QueueTime(), None, None
    rows = phase_increments(curves, occupancy, ladder[-1], window_s, later_s)
    if len(rows.energy_j) >= len(ladder[-1]) and len(rows.phases) > 1 and settings.max_models > 1:
        sums = _sums(rows, window_s, settings)
        best = int(sums.profile()[1].argmax())
        near_s = settings.lags_s[max(best - 10, 0) : best + 11]
        queue = queue_time(
            curves,
            occupancy,
            ladder[-1],
            window_s,
            later_s,
            near_s,
            settings.min_occupancy_s,
            idle_power_w,
            engine_wait,
        )

    def model(told: Occupancy, levels: tuple[Level, ...]) -> PowerModel:
        own = phase_increments(curves, told, levels, window_s, later_s)
        known = sums if told is occupancy and levels == ladder[-1] else None
        return PowerModel(own, known or _sums(own, window_s, settings))

    def simpler(levels: tuple[Level, ...]) -> PowerModel:
        shares = shares_of(richest.rows.levels, levels)
        if shares is None:
            return model(told, levels)
        return PowerModel(replace(richest.rows, levels=levels), richest.sums.combined(shares))

    told = occupancy.with_queue(queue.best_s)
    spent_s = _spent_s(told, window_s)
    num_begins = {p: told.num_begins(p, *window_s) for p in PHASES}
    others = [occupancy.with_queue(s) for s in (queue.low_s, queue.high_s) if s != queue.best_s]
    enough = [levels for levels in ladder if len(rows.energy_j) >= len(levels)]
    models: tuple[PowerModel, ...] = ()
    if enough:
        richest = model(told, enough[-1])
        models = (*(simpler(levels) for levels in enough[:-1]), richest)
        if sums is not None:
            beyond = _sums(richest.rows, window_s, settings, settings.lags_beyond_s)
    return RoleIncrements(
        role,
        spent_s,
        len(curves),
        models,
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
    curves: Sequence[Incremental],
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
    curves: Sequence[Incremental],
    occupancy: Occupancy,
    levels: tuple[Level, ...],
    window_s: tuple[float, float],
    settings: RegressionSettings,
) -> list[float]:
    """Return by how much each device trails further than the first; 0 for all where not every device tells its lag."""
    if len(curves) == 1 or len(levels) == 1:
        return [0.0] * len(curves)
    most = MAX_INCREMENTS // len(curves)  # all devices together as many as the role's own fit has
    each = [phase_increments([curve], occupancy, levels, window_s, most=most) for curve in curves]
    if any(len(rows.energy_j) < len(levels) for rows in each):
        return [0.0] * len(curves)
    lags_s = [own_lag_s(_sums(rows, window_s, settings), settings.lags_s) for rows in each]
    told = [lag for lag in lags_s if lag is not None]
    return [lag - told[0] for lag in told] if len(told) == len(curves) else [0.0] * len(curves)


def _sums(
    rows: PhaseIncrements, window_s: tuple[float, float], settings: RegressionSettings, lags_s: Floats | None = None
) -> PhaseSums:
    block_s = max(settings.block_s, (window_s[1] - window_s[0]) / settings.max_blocks)
    block = ((rows.begin_s - window_s[0]) // block_s).astype(np.int64)
    return in_blocks(rows, block).sums_over(settings.lags_s if lags_s is None else lags_s)
