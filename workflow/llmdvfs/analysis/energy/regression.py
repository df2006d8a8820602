"""Splits energy increments among phases: non-negative least squares over lags, for many reweightings at once."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.sensors import Floats

RIDGE = 1e-9  # of the mean diagonal: a resample without a phase stays solvable and gives that phase 0
COARSE_STEP = 5  # of the candidate lags one in so many is tried first: how well they fit changes over tens of ms
LARGEST_CONDITION = 1e8  # beyond it double precision, which sees its square, tells no difference


@dataclass(frozen=True, slots=True)
class PhaseSums:
    """What a weighted fit needs of the increments: sums over blocks of time, for each candidate lag.

    The noise of an increment grows with its length d [s], so that its equation is weighted by 1 / d.
    """

    gram: Floats
    """Sum of seconds_p x seconds_q / d [s], shape (lags, blocks, phases, phases)."""
    moment: Floats
    """Sum of seconds_p x energy / d [J], shape (lags, blocks, phases)."""
    seconds: Floats
    """Seconds in each phase over all blocks, shape (lags, phases)."""
    total: float
    """Sum of energy^2 / d [J^2/s] over all increments: what a fit would explain that explains everything."""
    num_increments: int

    @property
    def num_blocks(self) -> int:
        """How many blocks of time have increments."""
        return int(self.gram.shape[1])

    def at(self, first: int, last: int) -> "PhaseSums":
        """Return the same sums for the lags at positions first to last alone."""
        lags = slice(first, last + 1)
        return replace(self, gram=self.gram[lags], moment=self.moment[lags], seconds=self.seconds[lags])

    def combined(self, shares: Floats) -> "PhaseSums":
        """Return the sums of coarser phases; shares: how much of each of these is in each of those, (these, those)."""
        gram = shares.T @ self.gram @ shares
        return replace(self, gram=gram, moment=self.moment @ shares, seconds=self.seconds @ shares)

    def among(self, columns: npt.NDArray[np.intp], num_phases: int) -> "PhaseSums":
        """Return the same sums as of more phases, of which these are at `columns` and the others never occur."""
        num_lags, num_blocks = self.moment.shape[:2]
        gram = np.zeros((num_lags, num_blocks, num_phases, num_phases))
        moment, seconds = np.zeros((num_lags, num_blocks, num_phases)), np.zeros((num_lags, num_phases))
        gram[:, :, columns[:, None], columns] = self.gram
        moment[:, :, columns], seconds[:, columns] = self.moment, self.seconds
        return replace(self, gram=gram, moment=moment, seconds=seconds)

    def profile(self) -> tuple[Floats, Floats]:
        """Return for each lag the least-squares powers [W], shape (lags, phases), and what they explain of `total`."""
        _, powers, explained = _solved(self.gram.sum(axis=1), self.moment.sum(axis=1))
        return powers, explained

    def _reweighted(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return the normal equations of each lag and reweighting."""
        gram = np.einsum("wb,lbij->lwij", weights, self.gram, optimize=True)
        return gram, np.einsum("wb,lbi->lwi", weights, self.moment, optimize=True)

    def fit(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return mean powers >= 0 [W] of the phases and the lag's position on the grid, for each row of weights.

        Powers and lag are those that leave the smallest sum of squared residuals over the blocks, weighted. With them
        the increments, as measured and unweighted, are split: one that lies inside a phase belongs to it as measured,
        whatever the powers; one that straddles an edge is split by the powers, and what they leave over by time. The
        mean power is the phase's energy over its seconds. For equal weights it is the fitted power itself (these are
        the normal equations), and the energies of all phases add up to the increments.
        """
        first, last = self._lags_near_best(weights)
        mean_w, position = self.at(first, last)._fit(weights)
        return mean_w, first + position

    def _lags_near_best(self, weights: Floats) -> tuple[int, int]:
        """Return the first and the last position between which the best lag of every reweighting lies.

        All lags for all reweightings would be most of the time of an analysis.
        """
        num_lags = len(self.gram)
        if len(weights) == 1 or num_lags <= 2 * COARSE_STEP:
            return 0, num_lags - 1
        coarse = replace(self, gram=self.gram[::COARSE_STEP], moment=self.moment[::COARSE_STEP])
        best = COARSE_STEP * _solved(*coarse._reweighted(weights))[2].argmax(axis=0)
        return max(int(best.min()) - COARSE_STEP, 0), min(int(best.max()) + COARSE_STEP, num_lags - 1)

    def _fit(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return what `fit` does, every lag tried."""
        gram, moment = self._reweighted(weights)
        gram, powers, explained = _solved(gram, moment)
        best = np.clip(explained.argmax(axis=0), 1, len(explained) - 2)
        each = np.arange(len(weights))
        for i in np.flatnonzero((powers[best, each] < 0).any(axis=1)):
            for lag in (best[i] - 1, best[i], best[i] + 1):
                powers[lag, i] = _nnls(gram[lag, i], moment[lag, i])
        shift = _vertex(*(explained[best + step, each] for step in (-1, 0, 1)))
        before, at, after = (self._split(powers[best + step, each], best + step) for step in (-1, 0, 1))
        s = shift[:, None]
        mean = before * s * (s - 1) / 2 + at * (1 - s**2) + after * s * (s + 1) / 2
        return np.maximum(mean, 0.0), best + shift

    def _split(self, powers: Floats, lag_index: npt.NDArray[np.intp]) -> Floats:
        """Return each phase's energy over its seconds when the increments, as measured, are split by these powers."""
        moment = self.moment.sum(axis=1)[lag_index]
        fitted = np.einsum("wij,wj->wi", self.gram.sum(axis=1)[lag_index], powers)
        seconds = self.seconds[lag_index]
        left_over = np.divide(moment - fitted, seconds, out=np.zeros_like(fitted), where=seconds > 0)
        found: Floats = powers + left_over
        return found

    def condition_number(self, lag_index: int, min_seconds: float = 0.0) -> float:
        """Return the condition number of the design at this lag, its columns scaled to unit length.

        A phase that lasted no more than min_seconds, all devices together, is no column: it is too brief to change the
        others' powers.
        """
        present = self.seconds[lag_index] > min_seconds
        if not present.any():
            return 1.0
        gram = self.gram[lag_index].sum(axis=0)[np.ix_(present, present)]
        length = np.sqrt(np.diag(gram))
        squared = float(np.linalg.cond(gram / np.outer(length, length)))
        return min(math.sqrt(squared), LARGEST_CONDITION)


def phase_sums(seconds_by_lag: Iterable[Floats], length_s: Floats, energy_j: Floats) -> PhaseSums:
    """Return the sums of the increments by block.

    seconds_by_lag: the seconds in each phase, for some lags at a time: shape (lags, blocks, places, phases); they are
    overwritten. length_s, energy_j: of the increment at each place, shape (blocks, places); a place of length 0 has
    none.
    """
    is_there = length_s > 0
    per_root = np.divide(1.0, np.sqrt(length_s), out=np.zeros_like(length_s), where=is_there)
    targets = np.stack((energy_j * per_root, np.sqrt(length_s)), axis=-1)
    gram, moment, total = [], [], []
    for seconds in seconds_by_lag:
        seconds *= per_root[..., None]
        turned = seconds.swapaxes(-1, -2)
        gram.append(turned @ seconds)
        of_targets = turned @ targets
        moment.append(of_targets[..., 0])
        total.append(of_targets[..., 1].sum(axis=1))
    energies = float(np.sum((energy_j * per_root) ** 2))
    return PhaseSums(np.concatenate(gram), np.concatenate(moment), np.concatenate(total), energies, int(is_there.sum()))


def _solved(gram: Floats, moment: Floats) -> tuple[Floats, Floats, Floats]:
    """Return normal equations (..., phases, phases) made solvable, their solution, and what that explains."""
    scale = np.trace(gram, axis1=-2, axis2=-1)[..., None, None] / gram.shape[-1]
    gram = gram + RIDGE * scale * np.eye(gram.shape[-1])
    powers = np.asarray(np.linalg.solve(gram, moment[..., None])[..., 0], dtype=np.float64)
    return gram, powers, np.einsum("...i,...i->...", powers, moment)


def _vertex(before: Floats, at: Floats, after: Floats) -> Floats:
    """Return where, in [-1/2, 1/2] grid steps, the parabola through three neighbouring values has its maximum."""
    curvature = before - 2 * at + after
    curved = curvature < 0
    shift = np.where(curved, (before - after) / (2 * np.where(curved, curvature, 1.0)), 0.0)
    return np.clip(shift, -0.5, 0.5)


def _nnls(gram: Floats, moment: Floats) -> Floats:
    """Return the non-negative solution of normal equations: the b that minimises |L'b - L^-1 m|, L L' = Gram matrix."""
    from scipy.optimize import nnls  # a third of a second: few fits are negative anywhere

    factor = np.linalg.cholesky(gram)
    solution: Floats = nnls(factor.T, np.linalg.solve(factor, moment))[0]
    return solution
