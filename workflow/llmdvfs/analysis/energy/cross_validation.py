"""Which power model the readings support, by its error on stretches of time that it was not fitted to."""

from collections.abc import Sequence

import numpy as np

from llmdvfs.analysis.energy.regression import RIDGE, PhaseSums
from llmdvfs.analysis.sensors import Floats

NUM_FOLDS = 10
WORTH = 4.0  # noise variances: two standard deviations


def held_out_error(sums: PhaseSums, lag_index: int) -> float:
    """Return the sum of squared errors [J^2/s] on blocks that the fit had not seen, less what all models share.

    lag_index: position of the lag among those of `sums`. Models are comparable where they have the same increments in
    the same blocks.
    """
    gram, moment = sums.gram[lag_index], sums.moment[lag_index]
    fold = np.arange(sums.num_blocks) * NUM_FOLDS // sums.num_blocks
    error = 0.0
    for held in range(NUM_FOLDS):
        out = fold == held
        power_w = _solve(gram[~out].sum(axis=0), moment[~out].sum(axis=0))
        error += float(power_w @ gram[out].sum(axis=0) @ power_w - 2 * moment[out].sum(axis=0) @ power_w)
    return error


def supported_models(models: Sequence[PhaseSums], lag_index: int) -> list[int]:
    """Return the positions of the models that predict as well as the best one, within the noise.

    models: from the plainest to the richest, at the lag with this index.
    """
    errors = np.array([held_out_error(sums, lag_index) for sums in models])
    richest = models[-1]
    noise = (richest.total - richest.profile()[1][lag_index]) / richest.num_increments
    return [int(i) for i in np.flatnonzero(errors <= errors.min() + WORTH * max(noise, 0.0))]


def explains_alike(rival: PhaseSums, model: PhaseSums, lag_index: int) -> bool:
    """Return whether a model of other phases leaves as little of the same readings unexplained, within the noise."""
    left, rivals = (sums.total - float(sums.profile()[1][lag_index]) for sums in (model, rival))
    return rivals <= left + WORTH * max(left, 0.0) / model.num_increments


def _solve(gram: Floats, moment: Floats) -> Floats:
    """Return the powers [W] that explain the readings; zeros where there are no readings, as outside the only block."""
    size = len(gram)
    if not np.trace(gram):
        return np.zeros(size)
    solution: Floats = np.linalg.solve(gram + RIDGE * np.trace(gram) / size * np.eye(size), moment)
    return solution
