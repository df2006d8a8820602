"""Short forms of operating points: what they stand for, and what is refused."""

from typing import Any

import pytest
from unit.plan.test_config import study_of

from llmdvfs.errors import ConfigError
from llmdvfs.plan.cells import launch_cells
from llmdvfs.plan.identity import point_identity
from llmdvfs.plan.study import Study
from llmdvfs.records.point import OperatingPoint

PAIR = ["single", "disaggregated"]


def study(points: dict[str, Any], **changes: Any) -> Study:
    return study_of({"device": "cuda", "architectures": PAIR, "operating_points": points, **changes})


def test_a_range_is_written_out_with_its_end() -> None:
    """600, 660, 720 reach 720 exactly; 600, 650, 700 stop below it."""
    points = study(
        {"all": {"sm_clock_mhz": {"all": "600..720/60"}}, "coarse": {"sm_clock_mhz": {"all": "600..720/50"}}}
    )
    assert list(points.points) == ["all-600", "all-660", "all-720", "coarse-600", "coarse-650", "coarse-700"]
    assert points.points["all-660"].sm_clock_mhz == {"single": 660, "prefill": 660, "decode": 660}


def test_lists_make_a_grid_and_single_values_stay_out_of_the_name() -> None:
    grid = study(
        {"grid": {"sm_clock_mhz": {"prefill": [1410, 1605], "decode": [900, 1200]}, "power_limit_w": {"all": 500}}}
    )
    assert list(grid.points) == ["grid-1410-900", "grid-1410-1200", "grid-1605-900", "grid-1605-1200"]
    assert grid.points["grid-1605-900"].sm_clock_mhz == {"prefill": 1605, "decode": 900}
    assert grid.points["grid-1605-900"].power_limit_w == {"single": 500, "prefill": 500, "decode": 500}


def test_core_clocks_as_on_the_command_line() -> None:
    """`--config core_clocks=1200,1800` of the original system: stock, and each clock for all roles."""
    given = study({"stock": {}}, core_clocks="1200,1800")
    assert list(given.points) == ["stock", "core-1200", "core-1800"]
    assert given.points["core-1800"].sm_clock_mhz["decode"] == 1800


def test_core_clocks_are_named_as_they_were_given() -> None:
    """A falling range was told of as `operating_points.core`, which nobody had written."""
    with pytest.raises(ConfigError, match=r"^core_clocks: range '1980\.\.600/60': expected low\.\.high/step"):
        study({"stock": {}}, core_clocks=["1980..600/60"])


def test_a_point_is_not_lost_to_core_clocks() -> None:
    """A point that was called `core` was replaced by the clocks, without a word."""
    with pytest.raises(ConfigError, match=r"operating_points\.core: beside core_clocks, .*: rename it"):
        study({"stock": {}, "core": {"power_limit_w": {"all": 500}}}, core_clocks=[1200])


def test_a_plain_value_is_the_point_it_always_was() -> None:
    plain = study({"low": {"sm_clock_mhz": {"single": 900, "decode": 600}}}).points["low"]
    assert plain.sm_clock_mhz == {"single": 900, "decode": 600}


def test_a_ceiling_is_one_point_under_which_the_clock_may_move() -> None:
    """A list is several points; `..1410` and `{min:, max:}` are one. 0: as low as the GPU goes."""
    points = study(
        {
            "plain": {"sm_clock_mhz": {"decode": "..1410"}},
            "band": {"sm_clock_mhz": {"decode": {"min": 600, "max": 1410}}},
            "many": {"sm_clock_mhz": {"all": [1410, "..1410", "..1200"]}},
            "bands": {"sm_clock_mhz": {"decode": {"min": 600, "max": "1200..1410/210"}}},
            "lock": {"sm_clock_mhz": {"prefill": {"min": 900, "max": 900}}},
        }
    ).points
    assert {
        name: (point.sm_clock_min_mhz.get("decode"), point.sm_clock_mhz.get("decode")) for name, point in points.items()
    } == {
        "plain": (0, 1410),
        "band": (600, 1410),
        "many-1410": (None, 1410),
        "many-max1200": (0, 1200),
        "many-max1410": (0, 1410),
        "bands-600to1200": (600, 1200),
        "bands-600to1410": (600, 1410),
        "lock": (None, None),
    }
    assert points["lock"] == OperatingPoint("lock", sm_clock_mhz={"prefill": 900})


def test_a_ceiling_and_a_lock_at_one_clock_are_two_measurements_and_old_keys_stay() -> None:
    lock, ceiling = (
        point_identity(OperatingPoint("p", sm_clock_mhz={"single": 1410}, sm_clock_min_mhz=low))
        for low in ({}, {"single": 0})
    )
    assert lock == {"id": "p", "sm_clock_mhz": {"single": 1410}, "memory_clock_mhz": {}, "power_limit_w": {}}
    assert ceiling != lock
    both = study({"a": {"sm_clock_mhz": {"all": 1410}}, "b": {"sm_clock_mhz": {"all": "..1410"}}})
    assert {cell.point for cell in launch_cells(both, next(iter(both.deployments)), 1)} == {"a", "b"}


def test_no_cell_is_measured_twice() -> None:
    """A decode clock asks nothing of a single instance, which was measured at stock again for each: 12 of 42 cells."""
    both = study(
        {"stock": {}, "decode": {"sm_clock_mhz": {"decode": [900, 1200]}}, "all": {"sm_clock_mhz": {"all": 900}}}
    )
    by_deployment = {name: {cell.point for cell in launch_cells(both, name, 1)} for name in both.deployments}
    single = next(points for name, points in by_deployment.items() if name.startswith("single"))
    apart = next(points for name, points in by_deployment.items() if name.startswith("disaggregated"))
    assert single == {"stock", "all"}
    assert apart == {"stock", "decode-900", "decode-1200", "all"}


def test_stock_may_be_repeated_on_purpose() -> None:
    repeated = study({"stock": {}, "stock-again": {}})
    assert {cell.point for cell in launch_cells(repeated, next(iter(repeated.deployments)), 1)} == {
        "stock",
        "stock-again",
    }


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ({"a": {"sm_clock_mhz": {"all": 900, "decode": 600}}}, "'all' beside decode"),
        ({"a": {"sm_clock_mhz": {"all": "900..600/60"}}}, "low <= high"),
        ({"a": {"sm_clock_mhz": {"all": "600..900/0"}}}, "600..1980/60"),
        ({"a": {"sm_clock_mhz": {"all": "600..900"}}}, "600..1980/60"),
        ({"a": {"sm_clock_mhz": {"all": "..900..600/60"}}}, "a ceiling such as ..1410"),
        ({"a": {"sm_clock_mhz": {"all": {"min": 900, "max": 600}}}}, "expected min <= max"),
        ({"a": {"sm_clock_mhz": {"all": {"min": 900}}}}, "max"),
        ({"a": {"memory_clock_mhz": {"all": "..900"}}}, "..900"),
        ({"a": {"sm_clock_mhz": {"all": "1..9999/1"}}}, "more than 1000 points"),
        ({"a": {"sm_clock_mhz": {"all": [600]}}, "a-600": {}}, "two points are named 'a-600'"),
    ],
)
def test_what_cannot_be_meant_is_refused(points: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        study(points)
    assert words in str(refused.value)
