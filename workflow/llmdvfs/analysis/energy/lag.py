"""By how much the energy readings trail the phases: one lag for all roles, whose devices have sensors of one kind.

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
DIFFERENT_FRACTION = 0.1  # of the largest power: lags that split the energy alike do no harm
SMALLEST_NOISE = 1e-9  # of the energies' own sum of squares: readings without noise exist in tests only


@dataclass(frozen=True, slots=True)
class Lag:
    """The lags that a role's fit may take, as positions on the grid, first to last."""

    first: int
    last: int
    reason: str | None = None
    """Why no lag can be told."""


def common_lag(roles: Sequence[PhaseSums], lags_s: Floats) -> Lag:
    """Return the range around the lag that explains the increments of all roles best; of one role, the whole range.

    roles: sums of each role's increments over the same lags [s].
    """
    profile = np.sum([_misfit(sums) for sums in roles], axis=0)
    best = int(profile.argmin())
    reach = round(AGREED_WITHIN_S / (lags_s[1] - lags_s[0]))
    dips = 1 + np.flatnonzero((profile[1:-1] <= profile[:-2]) & (profile[1:-1] <= profile[2:]))
    rivals = [
        dip
        for dip in dips
        if abs(dip - best) > reach
        and profile[dip] < profile[best] + ALIKE
        and any(_splits_otherwise(sums, int(dip), best) for sums in roles)
    ]
    if rivals:
        told = " and ".join(f"{1e3 * lags_s[position]:.0f}" for position in sorted([best, *rivals]))
        alike = f"not identifiable: lags of {told} ms explain the readings alike, and split them otherwise"
        return Lag(0, len(lags_s) - 1, alike)
    if len(roles) == 1:
        return Lag(0, len(lags_s) - 1)
    middle = int(np.clip(best, reach, len(lags_s) - 1 - reach))
    return Lag(middle - reach, middle + reach)


def _misfit(sums: PhaseSums) -> Floats:
    """Return what each lag leaves unexplained beyond the best one, in units of the noise variance of an increment."""
    misfit = sums.total - sums.profile()[1]
    least = float(misfit.min())
    noise = max(least, SMALLEST_NOISE * sums.total) / sums.num_increments
    found: Floats = (misfit - least) / noise
    return found


def _splits_otherwise(sums: PhaseSums, one: int, other: int) -> bool:
    powers, _ = sums.profile()
    return float(np.abs(powers[one] - powers[other]).max()) > DIFFERENT_FRACTION * float(np.abs(powers[other]).max())
