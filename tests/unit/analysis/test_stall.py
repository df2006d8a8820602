"""A stall is far longer than its neighbours: the next longest gaps, not all the gaps there are."""

import numpy as np
import pytest

from llmdvfs.analysis.axis.stall import find_stall

SHORT_S = 0.01


def tokens_at(*gaps_s: float) -> np.ndarray:
    """Return the instants of tokens from 0 s on: a hundred short gaps, then these."""
    return np.cumsum([SHORT_S] * 100 + list(gaps_s))


@pytest.mark.parametrize(("longest_s", "is_stall"), [(4.9, False), (5.1, True)])
def test_a_pause_is_judged_by_the_ten_next_longest(longest_s: float, is_stall: bool) -> None:
    """Ten pauses of 1 s stand beside it: five times their median is the limit, however short the gaps of tokens are."""
    token_s = tokens_at(*[1.0] * 10, longest_s)
    found = find_stall(token_s, 0.0, float(token_s[-1]))
    assert (found is not None) == is_stall
    if found:
        assert found.startswith("a stall: no token for 5.1 s from 11 s on")
        assert found.endswith("next longest gaps, 1 s")


def test_a_pause_that_moves_no_throughput_is_none() -> None:
    """0.2 s is twenty times its neighbours, and 4 % of a window of 5 s."""
    token_s = np.cumsum([SHORT_S] * 240 + [0.2] + [SHORT_S] * 240)
    assert find_stall(token_s, 0.0, float(token_s[-1]) + 0.0) is None
    assert find_stall(token_s[:300], 0.0, float(token_s[299])) is not None  # of a window of 3.2 s it is 6 %
