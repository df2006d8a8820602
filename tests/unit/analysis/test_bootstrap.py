import numpy as np
import pytest

from llmdvfs.analysis.energy.bootstrap import block_weights, percentile_interval


def test_every_resample_draws_as_many_blocks_as_there_are() -> None:
    weights = block_weights(7, 100, seed=1)
    assert weights.shape == (100, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.std() > 0


def test_the_seed_decides_the_draw() -> None:
    assert (block_weights(7, 10, seed=1) == block_weights(7, 10, seed=1)).all()
    assert (block_weights(7, 10, seed=1) != block_weights(7, 10, seed=2)).any()


def test_the_interval_holds_the_central_ninety_five_percent() -> None:
    assert percentile_interval(np.arange(0.0, 1001.0)) == pytest.approx((25.0, 975.0))
