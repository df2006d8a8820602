"""Non-negative least squares over candidate lags, for many reweightings of blocks at once."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from llmdvfs.analysis.sensors import Floats

RIDGE = 1e-12  # of the mean diagonal: a resample without a phase stays solvable and gives that phase 0


@dataclass(frozen=True, slots=True)
class BlockSums:
    """Normal equations of each block of rows at each lag: all that a weighted fit needs."""

    gram: Floats
    """X'X, shape (lags, blocks, columns, columns)."""
    moment: Floats
    """X'y, shape (lags, blocks, columns)."""

    @property
    def num_blocks(self) -> int:
        """How many blocks have rows."""
        return int(self.gram.shape[1])

    def fit(self, weights: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
        """Return coefficients >= 0 and the best lag's index for each row of weights (one weight a block).

        The lag is the one that leaves the smallest sum of squared residuals.
        """
        gram = np.einsum("wb,lbij->lwij", weights, self.gram, optimize=True)
        moment = np.einsum("wb,lbi->lwi", weights, self.moment, optimize=True)
        scale = np.trace(gram, axis1=-2, axis2=-1)[..., None, None] / gram.shape[-1]
        gram = gram + RIDGE * scale * np.eye(gram.shape[-1])
        coefficients = np.linalg.solve(gram, moment[..., None])[..., 0]
        explained = np.einsum("lwi,lwi->lw", coefficients, moment)
        best = explained.argmax(axis=0)
        each = np.arange(len(weights))
        chosen = coefficients[best, each]
        for i in np.flatnonzero((chosen < 0).any(axis=1)):
            chosen[i] = _nnls(gram[best[i], i], moment[best[i], i])
        return chosen, best

    def condition_number(self, lag_index: int) -> float:
        """Return the condition number of the design at this lag, its columns scaled to unit length."""
        gram = self.gram[lag_index].sum(axis=0)
        length = np.sqrt(np.diag(gram))
        if not (length > 0).all():
            return float("inf")
        return float(np.sqrt(np.linalg.cond(gram / np.outer(length, length))))


def block_sums(designs: Iterable[Floats], response: Floats, block: npt.NDArray[np.int64]) -> BlockSums:
    """Sum the normal equations by block; one design (rows, columns) a lag, response and block one entry a row."""
    order = np.argsort(block, kind="stable")
    starts = np.flatnonzero(np.diff(block[order], prepend=-1))
    gram, moment = [], []
    for design in designs:
        x = design[order]
        gram.append(np.add.reduceat(x[:, :, None] * x[:, None, :], starts))
        moment.append(np.add.reduceat(x * response[order, None], starts))
    return BlockSums(np.stack(gram), np.stack(moment))


def _nnls(gram: Floats, moment: Floats) -> Floats:
    """Solve the non-negative problem from its normal equations: |L'b - L^-1 m|, with L L' the Gram matrix."""
    factor = np.linalg.cholesky(gram)
    solution: Floats = nnls(factor.T, np.linalg.solve(factor, moment))[0]
    return solution
