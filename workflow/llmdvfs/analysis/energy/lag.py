"""Finds by how much the energy readings trail the phases: one lag for all roles, whose sensors are of one kind.

Under a load that repeats faster than the range of the lag (one stream of short answers) several lags explain the
readings of one role alike, and each splits its energy in another way; what two roles agree on is one of them.
docs/energy.md#phases
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmdvfs.analysis.energy.regression import PhaseSums
from llmdvfs.analysis.sensors import Floats

AGREED_WITHIN_S = 0.02  # stamps of prefill and of decode are taken by different processes
ALIKE = 9.0  # difference of the misfits in units of the noise variance: three standard deviations of one parameter
MUCH_BETTER = 2 / 3  # of the misfit: what repeats every 0.4 s fits nearly as well a period off, or better by chance
DIFFERENT_FRACTION = 0.1  # of the largest power: lags that split the energy alike do no harm
SMALLEST_NOISE = 1e-9  # share of the energies' sum of squares: noise-free readings, as in tests, would divide by 0


@dataclass(frozen=True, slots=True)
class Lag:
    """The range of lags that a role's fit may take, as first and last position on the grid of candidates."""

    first: int
    last: int
    reason: str | None = None
    """Why no lag can be told; None: it can be."""
    rivals: tuple[int, ...] = ()
    """Positions of other lags that explain the readings alike and split them otherwise: what a phase's energy would be
    by them decides whether it can be told."""


def role_lags(roles: Sequence[PhaseSums], lags_s: Floats) -> list[Lag]:
    """Return the range of lags that each role's fit may take.

    roles: sums of each role's increments over the same lags [s]. Where each role alone tells its lag, it keeps its own:
    the counters of two GPUs may be out of step. Else all keep to the lag that explains their increments together.
    """
    own = [_told_by([sums], lags_s) for sums in roles]
    if len(roles) == 1 or all(lag.reason is None and not lag.rivals for lag in own):
        return own
    return [_told_by(roles, lags_s)] * len(roles)


def lag_beyond(inside: Sequence[PhaseSums], beyond: Sequence[PhaseSums], beyond_s: Floats) -> str | None:
    """Return why the search for the lag was too narrow, where a lag outside it explains all roles better; else None.

    inside, beyond: sums of each role over the lags of the search, and over the lags outside it [s].
    """
    left_inside, left_beyond = 0.0, np.zeros(len(beyond_s))
    for own, wider in zip(inside, beyond, strict=True):
        nearest, further = float((own.total - own.profile()[1]).min()), wider.total - wider.profile()[1]
        noise = max(min(nearest, float(further.min())), SMALLEST_NOISE * own.total) / own.num_increments
        left_inside, left_beyond = left_inside + nearest / noise, left_beyond + further / noise
    best = int(left_beyond.argmin())
    if left_inside - left_beyond[best] <= ALIKE or left_beyond[best] > MUCH_BETTER * left_inside:
        return None
    return (
        f"not identifiable: a lag of about {1e3 * beyond_s[best]:.0f} ms, beyond what a sensor's delay explains, fits "
        "better; are the stamps of the load and of the sampler of one clock?"
    )


def own_lag_s(sums: PhaseSums, lags_s: Floats) -> float | None:
    """Return the lag that these increments tell [s]; None where they alone cannot tell it."""
    lag = _told_by([sums], lags_s)
    return float(lags_s[int(_misfit(sums).argmin())]) if lag.reason is None and not lag.rivals else None


def alike_reason(positions: Sequence[int], lags_s: Floats) -> str:
    """Return why a phase cannot be told that lags at these positions, alike by the readings, give other energies."""
    told = " and ".join(f"{1e3 * lags_s[position]:.0f}" for position in sorted(positions))
    return f"not identifiable: lags of {told} ms explain the readings alike, and split them otherwise"


def _told_by(roles: Sequence[PhaseSums], lags_s: Floats) -> Lag:
    """Return the range of lags that the roles together allow: all of them where one role tells its own lag."""
    profile = np.sum([_misfit(sums) for sums in roles], axis=0)
    powers_w = [sums.profile()[0] for sums in roles]
    best, last = int(profile.argmin()), len(lags_s) - 1
    matters = any(_splits_otherwise(own_w, 0, last) for own_w in powers_w)
    if best in (0, last) and matters and np.ptp(profile) > ALIKE:
        limit_ms = 1e3 * abs(lags_s[best])
        return Lag(
            0,
            last,
            f"not identifiable: the best lag is at the edge of the search, {limit_ms:.0f} ms; are the clocks the same?",
        )
    reach = round(AGREED_WITHIN_S / (lags_s[1] - lags_s[0]))
    dips = 1 + np.flatnonzero((profile[1:-1] <= profile[:-2]) & (profile[1:-1] <= profile[2:]))
    rivals = tuple(
        int(dip)
        for dip in dips
        if abs(dip - best) > reach
        and profile[dip] < profile[best] + ALIKE
        and any(_splits_otherwise(own_w, int(dip), best) for own_w in powers_w)
    )
    if len(roles) == 1 and not rivals:
        return Lag(0, last)
    middle = int(np.clip(best, reach, last - reach))
    return Lag(middle - reach, middle + reach, rivals=rivals)


def _misfit(sums: PhaseSums) -> Floats:
    """Return what each lag leaves unexplained beyond the best one, in units of the noise variance of an increment."""
    misfit = sums.total - sums.profile()[1]
    least = float(misfit.min())
    noise = max(least, SMALLEST_NOISE * sums.total) / sums.num_increments
    found: Floats = (misfit - least) / noise
    return found


def _splits_otherwise(powers_w: Floats, one: int, other: int) -> bool:
    """Return whether two lags give a role other powers; powers_w: of each lag, shape (lags, phases)."""
    difference_w = float(np.abs(powers_w[one] - powers_w[other]).max())
    return difference_w > DIFFERENT_FRACTION * float(np.abs(powers_w[other]).max())
