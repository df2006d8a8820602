"""A stored cell measured again: what counts as reproduced, and what of a table is taken for the stored cell."""

from pathlib import Path

import pytest

from llmdvfs.comparison.reproduced import again_over_stored, outcome, reproduced_lines
from llmdvfs.errors import DataError
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import LaunchValue, MetricRatio
from llmdvfs.records.comparison_file import StoredCell, read_launches

TTFT = "ttft_p50_s"
CELL = StoredCell("single_m", "load", "stock")
HEAD = "deployment,architecture,workload,point,launch,status,server_start_id,ttft_p50_s"


def launches(values: list[float], start: str) -> dict[str, list[LaunchValue]]:
    of_metric = [LaunchValue(k, f"{start}{k}", value, True) for k, value in enumerate(values, 1)]
    return {name: of_metric if name == TTFT else [] for name in METRICS}


def ratio(stored: list[float], again: list[float], margin: float = 0.05) -> MetricRatio:
    return again_over_stored(launches(stored, "a"), launches(again, "b"), margin)[TTFT]


def test_equal_within_the_margin_by_hand() -> None:
    """Logs of both sides -0.01, 0, 0.01, the second 0.01 higher: standard error sqrt(2 x 0.0001 / 3) = 0.0081650.

    4 degrees of freedom; ln 1.05 - 0.01 = 0.0387902 is 4.7508 standard errors: one-sided p = 0.00448. The difference
    itself is 1.2247 standard errors: p = 0.288.
    """
    found = ratio([0.9900498, 1.0, 1.0100502], [1.0, 1.0100502, 1.0202013])
    assert found.pairing == "unpaired"  # launch 1 of both had the same prompts, and nothing else in common
    assert found.equal_p_value == pytest.approx(0.00448, abs=2e-5)
    assert found.p_value == pytest.approx(0.288, abs=1e-3)
    assert outcome(found) == "reproduced"


def test_another_value_differs_and_a_wide_one_is_open() -> None:
    assert outcome(ratio([1.0, 1.01, 0.99], [1.2, 1.21, 1.19])) == "differs"
    assert outcome(ratio([1.0, 1.3, 0.8], [1.1, 0.9, 1.2])) == "open"
    assert outcome(ratio([1.0, 1.001], [1.2, 1.201])) == "open"  # two launches claim no difference
    assert outcome(ratio([1.0], [1.0])) == "open"
    assert outcome(ratio([1.0, 1.0], [])) is None


def test_a_difference_within_the_margin_is_reproduced_though_it_is_significant() -> None:
    """2 % apart and known to 0.1 %: it matters as little as the margin says."""
    found = ratio([1.0, 1.001, 0.999], [1.02, 1.021, 1.019])
    assert found.p_value is not None
    assert found.p_value < 0.001
    assert outcome(found) == "reproduced"
    assert outcome(ratio([1.0, 1.001, 0.999], [1.02, 1.021, 1.019], margin=0.01)) == "differs"


def test_the_lines_say_both_means_and_the_count() -> None:
    ratios = again_over_stored(launches([1.0, 1.0, 1.0], "a"), launches([1.0, 1.0, 1.0], "b"), 0.05)
    first, last = reproduced_lines(ratios, [TTFT, "mean_power_w"], 0.05)
    assert first.split() == [
        "reproduced",
        "TTFT",
        "p50,",
        "ms",
        "1000",
        "(n=3)",
        "->",
        "1000",
        "(n=3)",
        "1.000x",
        "[1.000,",
        "1.000]",
    ]
    assert last == "1 of 1 reproduced within 5 %, 0 differ, 0 open (two one-sided tests at 5 %)"


def test_launches_are_read_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "comparison.csv"
    rows = [
        "single_m,single,load,stock,1,ok,s1,0.5",
        "single_m,single,load,stock,2,gate_failed,s2,",
        "x,y,load,stock,1,ok,s,9",
    ]
    table.write_text("\n".join([HEAD, *rows]))
    assert read_launches(table, CELL)[TTFT] == [LaunchValue(1, "s1", 0.5, True)]
    assert read_launches(table, CELL)["mean_power_w"] == []  # an older file has no such column


def test_a_launch_at_other_clocks_is_no_stored_launch(tmp_path: Path) -> None:
    table = tmp_path / "comparison.csv"
    rows = ["single_m,single,load,stock,1,ok,s1,0.5,applied", "single_m,single,load,stock,2,ok,s2,0.9,not_permitted"]
    table.write_text("\n".join([f"{HEAD},point_state", *rows]))
    assert [launch.launch for launch in read_launches(table, CELL)[TTFT]] == [1]


def test_a_cell_that_is_not_stored_is_told_with_those_that_are(tmp_path: Path) -> None:
    table = tmp_path / "comparison.csv"
    table.write_text(f"{HEAD}\nsingle_m,single,load,stock,1,ok,s1,0.5\n")
    with pytest.raises(
        DataError, match=r"no measured launch of single_m/other/stock; expected one of single_m/load/stock"
    ):
        read_launches(table, StoredCell("single_m", "other", "stock"))
    table.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"has no column 'deployment'; expected the comparison.csv of a study"):
        read_launches(table, CELL)
