"""The power models of a role: each phase at one power, or at several levels of its load (docs/energy.md#models)."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from llmdvfs.analysis.axis.occupancy import PHASES, Level, Occupancy
from llmdvfs.analysis.sensors import Floats
from llmdvfs.records.spec import Phase

Part = Literal["whole", "early", "late"]

MIN_LEVEL_S = 0.3  # a few refreshes; whether so many levels are worth it, held-out readings decide
MIN_SPREAD = 0.1  # of the load, in doublings: less says nothing about how power depends on it
LEVELS = (1, 2, 3, 5, 9)
KNOT_DIGITS = 9  # knots that differ by rounding are one


def power_models(
    occupancy: Occupancy, window_s: tuple[float, float], num_devices: int
) -> tuple[tuple[Level, ...], ...]:
    """Return models from the plainest to the richest; each contains the ones before it.

    num_devices: of the role. A phase has at most as many levels as it lasted seconds, and one where its load did not
    change.
    """
    models: list[tuple[Level, ...]] = []
    for num_levels in LEVELS:
        for with_early in (False, True):
            model = tuple(
                level
                for phase in PHASES
                if phase != "queue" and occupancy.seconds_between(phase, *window_s) > 0
                for level in _levels(occupancy, phase, window_s, num_levels, with_early, num_devices)
            )
            if model not in models:
                models.append(model)
    return tuple(models)


def shares_of(fine: Sequence[Level], coarse: Sequence[Level]) -> Floats | None:
    """Return how much of each fine level is in each coarse one, shape (fine, coarse).

    None: the coarse levels are not sums of the fine ones, as where knots lie between those of the fine.
    """
    shares = np.zeros((len(fine), len(coarse)))
    for column, whole in enumerate(coarse):
        for row, piece in enumerate(fine):
            if piece.phase != whole.phase or whole.part not in ("whole", piece.part):
                continue
            if len(whole.knots) < 2:
                shares[row, column] = 1.0
            elif not set(np.round(whole.knots, KNOT_DIGITS)) <= set(np.round(piece.knots, KNOT_DIGITS)):
                return None
            else:
                unit = np.eye(len(whole.knots))[whole.position]
                shares[row, column] = np.interp(piece.knots[piece.position], whole.knots, unit)
    return shares


def _levels(
    occupancy: Occupancy,
    phase: Phase,
    window_s: tuple[float, float],
    num_levels: int,
    with_early: bool,
    num_devices: int,
) -> list[Level]:
    edge_s = np.clip(occupancy.edge_s, *window_s)
    spent_s = np.diff(edge_s) * occupancy.weights(Level(phase)) if len(edge_s) else np.empty(0)
    early_s = float(spent_s[occupancy.early].sum()) * num_devices
    late_s = float(spent_s.sum()) * num_devices - early_s
    parts: tuple[Part, ...] = ("whole",)
    if with_early and min(early_s, late_s) >= MIN_LEVEL_S:
        parts = ("early", "late")
    load = occupancy.load[spent_s > 0]
    count = min(num_levels, int(float(spent_s.sum()) * num_devices / MIN_LEVEL_S))
    if count < 2 or float(np.ptp(load)) < MIN_SPREAD:
        return [Level(phase, part=part, holds_queue=phase == "idle") for part in parts]
    knots = tuple(float(k) for k in np.linspace(load.min(), load.max(), count))
    return [Level(phase, knots, i, part) for part in parts for i in range(count)]
