"""Recommended clocks held and undone, on fake GPUs only."""

import time
from collections.abc import Callable

import pytest
from fakes.nvml import NO_PERMISSION, FakeNvml
from fakes.sweeps import sweep

from llmdvfs.answers.answer import answers
from llmdvfs.answers.recommend import recommend
from llmdvfs.errors import ClockControlError, ConfigError
from llmdvfs.records.answers import RecommendedClocks
from llmdvfs.stages.clocks import hold, one_of, status_lines
from llmdvfs.telemetry.nvml import NvmlGpu, num_gpus


@pytest.fixture
def gpus(make_real_time_gpus: Callable[[int], FakeNvml]) -> FakeNvml:
    fake = make_real_time_gpus(1)
    fake.set_property(0, "settling_s", 0.0)
    fake.set_sensor(0, "sm_clock", period_s=0.001, window_s=0)
    time.sleep(0.01)
    assert num_gpus() == 1  # opens the driver
    return fake


@pytest.fixture
def recommended() -> RecommendedClocks:
    """1200 MHz is the fastest within 5 % of the lowest energy."""
    cells = sweep({1005: 0.9, 1200: 0.8, None: 1.0}, {1005: 0.015, 1200: 0.013, None: 0.010})
    return recommend(answers(cells), cells)


def core_clock_mhz() -> float:
    time.sleep(0.01)
    return NvmlGpu(0).sm_clock_mhz()


def test_a_recommendation_is_held_while_waiting_and_undone_after(
    gpus: FakeNvml, recommended: RecommendedClocks
) -> None:
    before, seen = core_clock_mhz(), []
    hold(one_of(recommended, None, None), lambda: seen.append(core_clock_mhz()))
    assert seen == [1200]
    assert core_clock_mhz() == before


def test_ctrl_c_undoes_it(gpus: FakeNvml, recommended: RecommendedClocks) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    before = core_clock_mhz()
    with pytest.raises(KeyboardInterrupt):
        hold(one_of(recommended, None, None), interrupted)
    assert core_clock_mhz() == before


def test_without_permission_nothing_is_held_and_the_reason_is_said(
    gpus: FakeNvml, recommended: RecommendedClocks
) -> None:
    gpus.deny(0, ["set_clocks"], NO_PERMISSION)
    with pytest.raises(ClockControlError, match="not_permitted"):
        hold(one_of(recommended, None, None), lambda: pytest.fail("nothing to wait for"))


def test_an_unclear_choice_names_what_the_file_has(recommended: RecommendedClocks) -> None:
    with pytest.raises(ConfigError, match="single_tiny/decode"):
        one_of(recommended, "another", None)


def test_status_tells_clocks_and_limits(gpus: FakeNvml) -> None:
    (line,) = status_lines()
    assert line.startswith("GPU 0 ")
    assert "MHz" in line
    assert "default" in line
