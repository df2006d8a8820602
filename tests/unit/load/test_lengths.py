"""Token counts."""

from random import Random

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.load.schedule.lengths import draw_length
from llmdvfs.records.spec import LengthSpec


def test_fixed() -> None:
    assert draw_length(LengthSpec("fixed", value=17), Random(0)) == 17


def test_uniform_takes_both_ends() -> None:
    drawn = {draw_length(LengthSpec("uniform", low=2, high=4), Random(seed)) for seed in range(100)}
    assert drawn == {2, 3, 4}


def test_normal_is_clamped_and_never_below_one() -> None:
    drawn = [draw_length(LengthSpec("normal", mean=10, sd=50, high=30), Random(seed)) for seed in range(200)]
    assert (min(drawn), max(drawn)) == (1, 30)


def test_trace_takes_the_data_and_clamps_it() -> None:
    assert draw_length(LengthSpec("trace"), Random(0), 700) == 700
    assert draw_length(LengthSpec("trace", high=512), Random(0), 700) == 512


def test_trace_without_data_is_refused() -> None:
    with pytest.raises(ConfigError, match="trace"):
        draw_length(LengthSpec("trace"), Random(0))


def test_missing_parameter_is_named() -> None:
    with pytest.raises(ConfigError, match="'value'"):
        draw_length(LengthSpec("fixed"), Random(0))
