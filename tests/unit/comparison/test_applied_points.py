"""Points that were asked for and not applied, and what the machine of a launch has to do with its comparison."""

from dataclasses import replace
from math import isfinite
from typing import Literal

import pytest
from fakes.records import Toy, fake_cell
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from llmdvfs.arrivals.table import ARRIVALS
from llmdvfs.comparison.groups import compare
from llmdvfs.comparison.words.markdown import comparison_markdown
from llmdvfs.comparison.words.rows import comparison_rows, summary_rows
from llmdvfs.comparison.words.text import comparison_text
from llmdvfs.figures.cross_frequency import QUANTITIES, cross_frequency_comparison
from llmdvfs.figures.parts.cell import MeasuredCell, representative
from llmdvfs.figures.performance_comparison import performance_comparison
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.point import AppliedPoint, GpuIdentity, GpuSetting, OperatingPoint
from llmdvfs.records.spec import ArrivalSpec, LengthSpec


def compared(cells: list[MeasuredCell]) -> ComparisonRecord:
    return compare([cell.result for cell in cells], [cell.run for cell in cells])


def refused(cell: MeasuredCell) -> MeasuredCell:
    applied = AppliedPoint("not_permitted", reason="the driver says: no permission")
    return replace(cell, run=replace(cell.run, applied=applied))


def at_point(cell: MeasuredCell, point: OperatingPoint) -> MeasuredCell:
    """Return the cell at another point; its result and its run agree on it."""
    own = replace(cell.run.cell, point=point.id)
    key = f"key-{own.folder()}"
    run = replace(cell.run, cell=own, point=point, key=key)
    return replace(cell, run=run, result=replace(cell.result, cell=own, key=key))


def with_ttft(cell: MeasuredCell, p50_s: float) -> MeasuredCell:
    latency = replace(cell.result.latency, ttft_s=replace(cell.result.latency.ttft_s, p50=p50_s))
    return replace(cell, result=replace(cell.result, latency=latency))


def clocked(
    launch: int, clock_mhz: int | None, architecture: Literal["single", "disaggregated"] = "single"
) -> MeasuredCell:
    return fake_cell(Toy(architecture, launch=launch, gpu=True, clock_mhz=clock_mhz, duration_s=0.5))


def test_a_launch_that_was_not_applied_is_in_no_mean() -> None:
    """Two launches at 1005 MHz and one that ran at stock clocks under that name were one mean over three."""
    first, second, third = (with_ttft(clocked(k, 1005), ttft) for k, ttft in ((1, 1.0), (2, 3.0), (3, 100.0)))
    record = compared([first, second, refused(third)])
    (deployment,) = record.groups[0].deployments
    metric = deployment.metrics["ttft_p50_s"]
    assert (metric.n, metric.mean.value) == (2, pytest.approx(3**0.5))
    assert [launch.applied for launch in metric.by_launch] == [True, True, False]
    assert (deployment.not_applied_launches, deployment.sm_clock_mhz) == ((3,), {"single": 1005})
    assert "single_tiny/clock-1005: operating point not applied (not_permitted; launches 3)" in (record.warnings[0])
    assert "| concurrent | 2 |" in comparison_markdown(record)
    assert "(1000 ... 3000, n=2) ^" in comparison_text(record)
    assert "^ a launch did not run at the operating point" in comparison_text(record)


def test_points_that_were_not_applied_for_one_reason_are_told_in_one_sentence() -> None:
    """A sweep on a GPU that may not be set ended with fifteen sentences that said the same thing."""
    cells = [refused(clocked(launch, clock)) for launch in (1, 2) for clock in (600, 1005)]
    told = [cell.run.applied_point.warning or "" for cell in cells]
    warned = [
        replace(cell, result=replace(cell.result, warnings=(own, f"{cell.run.cell.point} is hot")))
        for cell, own in zip(cells, told, strict=True)
    ]
    assert (
        told[0]
        == "operating point not_permitted: the driver says: no permission; the cell was measured at stock clocks"
    )
    assert compared([*warned, clocked(1, None)]).warnings == (
        "single_tiny/clock-600, clock-1005: operating point not applied (not_permitted; launches 1, 2): cells ran at "
        "the clocks and limits that were found, and are in no mean and no ratio: the driver says: no permission",
        "single_tiny/concurrent/clock-1005: clock-1005 is hot (launch 1; 1 more like it)",
        "single_tiny/concurrent/clock-600: clock-600 is hot (launch 1; 1 more like it)",
    )


def test_a_study_in_which_all_points_were_applied_has_no_such_mark() -> None:
    assert "^" not in comparison_text(compared([clocked(1, 1005), clocked(2, 1005)]))


def test_a_launch_without_the_point_is_drawn_hollow_beside_those_that_had_it() -> None:
    """It was in `by_launch` and nowhere to be seen."""
    cells = [with_ttft(clocked(1, 1005), 1.0), refused(with_ttft(clocked(2, 1005), 2.0))]
    record = compared([*cells, clocked(1, None)])
    beside = performance_comparison(compared(cells))
    ttft = next(axes for axes in beside.axes if axes.get_title("left").startswith("TTFT"))
    assert [y for _, y in hollow_marks(ttft)] == pytest.approx([2000.0])
    assert "point not applied (not permitted): ran as found" in legend_names(beside)
    over_clocks = cross_frequency_comparison(record)
    assert [len(hollow_marks(axes)) for axes in over_clocks.axes] == [1, 1, 1]
    assert "1 point not applied in some launches" in over_clocks.get_suptitle()
    assert "point not applied (not permitted): ran as found" in legend_names(over_clocks)


def test_a_launch_that_was_not_applied_is_in_no_ratio() -> None:
    cells = [with_ttft(clocked(k, 1005), 1.0) for k in (1, 2, 3)]
    cells += [with_ttft(clocked(k, 1005, "disaggregated"), 2.0) for k in (1, 2)]
    cells += [refused(with_ttft(clocked(3, 1005, "disaggregated"), 50.0))]
    ratio = compared(cells).groups[0].pairs[0].ratios["ttft_p50_s"]
    assert [(own.launch, own.ratio) for own in ratio.by_launch] == [(1, 2.0), (2, 2.0)]


def test_a_point_that_was_never_applied_is_named_and_has_no_place_on_the_clock_axis() -> None:
    record = compared([clocked(1, None), clocked(1, 1800), refused(clocked(1, 600))])
    figure = cross_frequency_comparison(record)
    drawn = {float(x) for axes in figure.axes for line in axes.lines for x in line.get_xdata() if x > 1}
    assert drawn == {1800.0}
    assert "1 point not applied in any launch" in figure.get_suptitle()
    row = next(row for row in comparison_rows(record) if row["point"] == "clock-600")
    assert (row["point_state"], row.get("applied_sm_clock_single_mhz")) == ("not_permitted", None)
    assert "not applied" in comparison_text(record)


def hollow_marks(axes: Axes) -> list[tuple[float, float]]:
    """Return where the hatched marks lie: (fraction of the width or x, y), with the legend's empty ones left out."""
    return [
        (float(x), float(y))
        for marks in axes.collections
        if marks.get_hatch()
        for x, y in marks.get_offsets()
        if isfinite(x)
    ]


def texts_of(axes: Axes) -> list[str]:
    return [" ".join(text.get_text().split()) for text in axes.texts]


def legend_names(figure: Figure) -> list[str]:
    legends = [legend for own in (figure, *figure.subfigs) for legend in own.legends]
    return [text.get_text() for legend in legends for text in legend.get_texts()]


def test_a_point_that_was_not_applied_lies_in_a_strip_beside_the_clocks() -> None:
    """The figure left it out and counted it in the title: nobody saw that its cells are those of stock clocks."""
    record = compared([clocked(1, None), clocked(1, 1800), clocked(1, 1200), refused(clocked(1, 600))])
    figure = cross_frequency_comparison(record)
    deployment = next(own.deployments[0] for own in record.groups if own.point == "clock-600")
    for axes, name, shown in zip(figure.axes, QUANTITIES, (1.0, 1e3, 1e3), strict=True):  # J, ms, ms
        [(place, height)] = hollow_marks(axes)
        assert place == pytest.approx(0.08)  # in the middle of a strip of 0.16 of the width
        assert height == pytest.approx((deployment.metrics[name].by_launch[0].value or 0.0) * shown)
        assert axes.get_ylim()[0] <= height <= axes.get_ylim()[1]
        assert axes.transLimits.transform((1200.0, 0.0))[0] > 0.16  # the lowest clock is right of the strip
        assert all(axes.transLimits.transform((tick, 0.0))[0] > 0.16 for tick in axes.get_xticks())
    *upper, lowest = figure.axes
    assert ["not applied" in texts_of(axes) for axes in (*upper, lowest)] == [False, False, True]
    (name,) = (text for text in lowest.texts if "applied" in text.get_text())
    figure.canvas.draw()
    assert name.get_window_extent().y1 < lowest.get_window_extent().y0  # below the strip: marks covered it inside
    assert "point not applied (not permitted): ran as found" in legend_names(figure)


def test_a_deployment_without_any_applied_point_has_a_column_that_says_so() -> None:
    """It had no column at all beside one whose points were applied."""
    record = compared([clocked(1, 1800), refused(clocked(1, 1800, "disaggregated"))])
    figure = cross_frequency_comparison(record)
    assert [len(hollow_marks(axes)) for axes in figure.axes] == [0, 1] * len(QUANTITIES)
    told = [[" ".join(text.get_text().split()) for text in axes.texts] for axes in figure.axes]
    assert ["operating point not applied" in texts for texts in told] == [False, True] * len(QUANTITIES)


def test_clocks_that_were_never_applied_are_not_told_as_a_study_without_clocks() -> None:
    figure = cross_frequency_comparison(compared([clocked(1, None), refused(clocked(1, 600))]))
    told = " ".join(figure.axes[0].texts[0].get_text().split())
    assert told.startswith("operating point not applied: clock-600 (not permitted)")


def test_deployments_side_by_side_tell_the_one_that_was_not_applied() -> None:
    """Its place was empty, as if nothing had been measured there."""
    record = compared([clocked(1, 1800), *(refused(clocked(k, 1800, "disaggregated")) for k in (1, 2))])
    figure = performance_comparison(record)
    ttft = next(axes for axes in figure.axes if axes.get_title("left").startswith("TTFT"))
    marks = hollow_marks(ttft)
    values = [launch.value or 0.0 for launch in record.groups[0].deployments[1].metrics["ttft_p50_s"].by_launch]
    assert [y for _, y in marks] == pytest.approx([1e3 * value for value in values])
    assert all(0.0 < x < 0.4 for x, _ in marks)  # the right half of the only workload's slot
    assert "point not applied (not permitted): ran as found" in legend_names(figure)


def test_panels_of_a_point_that_was_never_applied_say_so() -> None:
    """They said `not measured` and `no power data on this machine` of a machine that had measured both."""
    figure = performance_comparison(compared([refused(clocked(1, 1800))]))
    told = [" ".join(axes.texts[0].get_text().split()) for axes in figure.axes if axes.get_title("left")]
    assert told == ["operating point not applied"] * 8
    assert not any(name.startswith("point not applied") for name in legend_names(figure))  # no mark to explain


def test_a_point_that_was_applied_in_one_launch_is_shown_by_that_launch_alone() -> None:
    record = compared([with_ttft(clocked(1, 1005), 1.0), refused(with_ttft(clocked(2, 1005), 2.0))])
    figure = cross_frequency_comparison(record)
    assert "not shown" not in figure.get_suptitle()
    energy = record.groups[0].deployments[0].metrics["energy_per_output_token_j"].by_launch[0].value
    drawn = {round(float(y), 9) for line in figure.axes[0].lines for y in line.get_ydata()}
    assert drawn == {round(energy or 0.0, 9)}


def test_memory_clock_and_power_limit_are_in_record_and_summary_as_asked_and_as_applied() -> None:
    point = OperatingPoint("mixed", {"single": 1000}, {"single": 2619}, {"single": 300.0})
    cell = at_point(clocked(1, None), point)
    on_grid = GpuSetting(0, 1005, 2619, 300.0, "single")
    record = compared([replace(cell, run=replace(cell.run, applied=AppliedPoint("applied", (on_grid,))))])
    (row,) = summary_rows(record)
    assert (record.groups[0].memory_clock_mhz, record.groups[0].power_limit_w) == ({"single": 2619}, {"single": 300.0})
    assert (row["sm_clock_single_mhz"], row["applied_sm_clock_single_mhz"]) == (1000, 1005)
    assert (row["applied_memory_clock_single_mhz"], row["applied_power_limit_single_w"]) == (2619, 300.0)


def test_a_power_limit_alone_is_not_drawn_as_stock() -> None:
    """A point that sets no core clock was a dotted level named stock clocks."""
    limited = at_point(clocked(1, None), OperatingPoint("300w", power_limit_w={"single": 300.0}))
    record = compared([limited, clocked(1, 1005)])
    figure = cross_frequency_comparison(record)
    assert not [line for axes in figure.axes for line in axes.lines if line.get_linestyle() == ":"]
    assert "1 point without a core clock" in figure.get_suptitle()


def test_stock_represents_a_deployment_before_a_power_limit() -> None:
    """`300w` sorts before `stock` and locks no core clock: it was taken for stock."""
    limited = at_point(clocked(1, None), OperatingPoint("300w", power_limit_w={"single": 300.0}))
    assert [cell.run.point.id for cell in representative([limited, clocked(1, None)])] == ["stock"]


def test_unlike_clocks_of_the_roles_have_a_place_and_no_mean() -> None:
    """Prefill at 1785 and decode at 1200 MHz were told as 1492.5 MHz, a clock that no GPU had, and left undrawn."""
    point = OperatingPoint("split", {"prefill": 1785, "decode": 1200})
    record = compared([at_point(clocked(1, None, "disaggregated"), point)])
    metrics = record.groups[0].deployments[0].metrics
    assert metrics["sm_clock_mean_mhz"].n == 0
    assert metrics["prefill_sm_clock_mean_mhz"].n == metrics["decode_sm_clock_mean_mhz"].n == 1
    figure = cross_frequency_comparison(record)
    assert 1785.0 in {float(x) for axes in figure.axes for line in axes.lines for x in line.get_xdata()}
    assert any("decode at 1200 MHz" in text.get_text() for text in figure.legends[0].get_texts())


def test_a_shared_axis_holds_the_points_of_all_its_columns() -> None:
    """The axis ended where the last column did, and the slower deployment before it was outside."""
    slow = clocked(1, 1005)
    latency = replace(slow.result.latency, tpot_s=replace(slow.result.latency.tpot_s, mean=9.0))
    slow = replace(slow, result=replace(slow.result, latency=latency))
    figure = cross_frequency_comparison(compared([slow, clocked(1, 1005, "disaggregated")]))
    for axes in figure.axes:
        low, high = axes.get_ylim()
        assert all(low <= float(y) <= high for line in axes.lines for y in line.get_ydata())


def test_workloads_that_do_not_fit_are_counted_in_the_title() -> None:
    """The figure showed six of them without a word."""
    cells = [fake_cell(Toy(gpu=True, concurrency=n, duration_s=0.5)) for n in (1, 2, 4, 8, 16, 32, 64)]
    assert performance_comparison(compared(cells)).get_suptitle().endswith("at stock (6 of 7 workloads)")


def on_gpu(cell: MeasuredCell, name: str, driver: str = "580.1", limit_w: float = 700.0) -> MeasuredCell:
    found = GpuIdentity(0, "GPU-1", name, driver=driver, power_limit_w=limit_w)
    return replace(cell, run=replace(cell.run, applied=AppliedPoint("stock", before=(found,))))


@pytest.mark.parametrize("other", [("H200", "580.1", 700.0), ("H100", "575.2", 700.0), ("H100", "580.1", 350.0)])
def test_unlike_gpus_are_a_warning_within_a_deployment_and_refuse_a_pair(other: tuple[str, str, float]) -> None:
    first, second = on_gpu(clocked(1, None), "H100"), on_gpu(clocked(2, None), *other)
    (warning,) = compared([first, second]).warnings
    assert "single_tiny: launches ran on unlike GPUs" in warning
    pair = compared([first, on_gpu(clocked(1, None, "disaggregated"), *other)]).groups[0].pairs[0]
    assert any(text.startswith("GPUs: H100, driver 580.1, 700 W against ") for text in pair.differences)


def test_runs_that_do_not_say_their_gpus_are_compared_as_before() -> None:
    pair = compared([on_gpu(clocked(1, None), "H100"), clocked(1, None, "disaggregated")]).groups[0].pairs[0]
    assert pair.differences == ()


def test_another_workload_of_the_same_name_is_not_in_the_sweep() -> None:
    """`decode` asks for other lengths than `decode-8` and `decode-16`: all three were one line of the figure."""
    batches = [fake_cell(Toy(workload="decode", gpu=True, concurrency=n, duration_s=0.5)) for n in (8, 16)]
    alone = fake_cell(Toy(workload="decode", gpu=True, duration_s=0.5))
    prompts = replace(alone.run.workload.prompts, prompt_tokens=LengthSpec("fixed", 9))
    alone = replace(alone, run=replace(alone.run, workload=replace(alone.run.workload, prompts=prompts)))
    sweeps = {group.workload: group.sweep for group in compared([*batches, alone]).groups}
    assert sweeps["decode-8"] == sweeps["decode-16"]
    assert sweeps["decode"] != sweeps["decode-8"]


def test_unequal_waves_have_no_batch_size() -> None:
    """Waves of 2, 8 and 4 had batch size 8 in batch_results.json and none in comparison.json."""
    assert ARRIVALS["waves"].batch_size(ArrivalSpec("waves", wave_sizes=(2, 8, 4))) is None
    assert ARRIVALS["waves"].batch_size(ArrivalSpec("waves", wave_sizes=(8, 8))) == 8
    assert ARRIVALS["closed"].batch_size(ArrivalSpec("closed", concurrency=4)) == 4
