"""Five deployments, two of one architecture: a study of them once drew its table off the page and its panels as one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import pytest
from fakes.records import Toy, fake_cell
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from llmdvfs.comparison.groups import compare
from llmdvfs.figures.parts.deployments import deployment_looks, short_names
from llmdvfs.figures.table import COMPARISON_FIGURES
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import ComparisonRecord

DEPLOYMENTS = {
    "single": "single",
    "replicated-2": "replicated",
    "tensor_parallel-2": "tensor_parallel",
    "disaggregated-1p1d-nixl": "disaggregated",
    "disaggregated-1p1d-p2p_nccl": "disaggregated",
}
TOUCHING_PX = 1.0


@dataclass(frozen=True)
class Named(Toy):
    """A made-up cell of a deployment and a workload with the names that real studies have."""

    name: str = ""
    prefix: str = "long-prompts-in-a-closed-loop"

    @property
    def deployment(self) -> str:
        return f"{self.name}_tiny"

    @property
    def workload_id(self) -> str:
        return f"{self.prefix}-{self.concurrency}"


def study(
    names: list[str], batches: list[int], clocks: list[int | None], prefix: str = Named.prefix
) -> ComparisonRecord:
    cells = [
        fake_cell(
            Named(
                DEPLOYMENTS[name],
                "concurrent",
                launch,
                gpu=True,
                clock_mhz=clock,
                concurrency=batch,
                duration_s=0.5,
                gate_fails=name == "replicated-2" and launch == 1,
                name=name,
                prefix=prefix,
            )
        )
        for name in names
        for batch in batches
        for clock in clocks
        for launch in (1, 2)
    ]
    return compare([cell.result for cell in cells], [cell.run for cell in cells])


@pytest.fixture(scope="module")
def five() -> ComparisonRecord:
    return study(list(DEPLOYMENTS), [1, 16, 64], [None])


def drawn(name: str, record: ComparisonRecord) -> Figure:
    """Return the figure after its layout; a layout that did not work out is a warning, and so an error here."""
    figure = COMPARISON_FIGURES[name](record)
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return figure


def parts(figure: FigureBase) -> Iterator[tuple[str, Bbox]]:
    """Yield what may not touch: panels with the labels of their axes, titles, tables, legends."""
    for number, axes in enumerate(figure.axes):
        title = axes.get_title("left")
        if axes.axison:
            boxes = [axes.get_window_extent(), axes.xaxis.get_tightbbox(), axes.yaxis.get_tightbbox()]
            yield from ((f"panel {number} {title}", box) for box in boxes if box)
        texts = [child for child in axes.get_children() if isinstance(child, Text) and child.get_text() == title]
        yield from ((f"title {title}", text.get_window_extent()) for text in texts if title)
        yield from (("table", table.get_tightbbox()) for table in axes.tables)
    for own in (figure, *figure.subfigs):
        yield from (("legend", legend.get_tightbbox()) for legend in own.legends)
        yield from (("figure's title", text.get_window_extent()) for text in own.texts)


def overlap(one: Bbox, other: Bbox) -> bool:
    common = Bbox.intersection(one, other)
    return common is not None and min(common.width, common.height) > TOUCHING_PX


def shown_ticks(axis: Axis) -> list[Bbox]:
    low, high = sorted(axis.get_view_interval())
    texts = [
        tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high and tick.label1.get_visible()
    ]
    return [text.get_window_extent() for text in texts if text.get_text() and text.get_rotation() == 0]


def assert_readable(figure: Figure) -> None:
    boxes = list(parts(figure))
    width, height = figure.bbox.size
    off = [name for name, box in boxes if min(box.x0, box.y0, width - box.x1, height - box.y1) < -TOUCHING_PX]
    assert off == []
    assert [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if a != b and overlap(one, other)] == []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            touching = [1 for one, other in combinations(shown_ticks(axis), 2) if overlap(one, other)]
            assert not touching, f"labels of the {axis.axis_name} axis of {axes.get_title('left')} lie over one another"


def test_bars_of_two_launches_have_room_for_their_names() -> None:
    """A study of one pair, launched twice, had the names of both bars written over one another."""
    assert_readable(drawn("ttft_parts", study(["disaggregated-1p1d-nixl"], [16], [None])))


def test_every_metric_has_its_title_above_its_own_panel() -> None:
    """`Prefill energy per prompt token` was written into the title of the panel beside it."""
    record = study(["single", "replicated-2"], [16], [None])
    [group] = record.groups
    [pair] = group.pairs
    ratios = dict.fromkeys(METRICS, pair.ratios["ttft_p50_s"])
    record = replace(record, groups=(replace(group, pairs=(replace(pair, ratios=ratios),)),))
    assert_readable(drawn("ratios", record))


@pytest.mark.parametrize("name", COMPARISON_FIGURES)
def test_five_deployments(name: str, five: ComparisonRecord) -> None:
    assert_readable(drawn(name, five))


@pytest.mark.parametrize("name", ["performance_comparison", "ratios"])
def test_six_workloads(name: str) -> None:
    assert_readable(drawn(name, study(list(DEPLOYMENTS), [1, 2, 4, 8, 16, 32], [None])))


def test_five_deployments_over_clocks() -> None:
    figure = drawn("cross_frequency_comparison", study(list(DEPLOYMENTS), [8], [600, 1980, None]))
    assert_readable(figure)
    titles = [axes.get_title("left").replace("\n", "") for axes in figure.axes]
    assert [title for title in titles if title] == list(DEPLOYMENTS)


def test_two_deployments_have_a_table_that_fits() -> None:
    record = study(["single", "disaggregated-1p1d-p2p_nccl"], [1, 64], [None], "load")
    figure = drawn("performance_comparison", record)
    assert_readable(figure)
    [table] = [table for axes in figure.axes for table in axes.tables]
    assert table[0, 3].get_text().get_text() == "ratio to single"


def test_a_table_wider_than_the_page_is_left_out() -> None:
    figure = drawn("performance_comparison", study(["single", "disaggregated-1p1d-p2p_nccl"], [1, 64], [None]))
    assert_readable(figure)
    assert not any(axes.tables for axes in figure.axes)


def test_more_than_two_deployments_have_no_table(five: ComparisonRecord) -> None:
    assert not any(axes.tables for axes in drawn("performance_comparison", five).axes)


def test_deployments_of_one_architecture_look_different(five: ComparisonRecord) -> None:
    looks = deployment_looks(five)
    for own in ("colour", "marker", "line"):
        assert len({getattr(look, own) for look in looks.values()}) == len(DEPLOYMENTS), own


@pytest.mark.parametrize("name", ["performance_comparison", "ratios"])
def test_the_legend_tells_all_deployments_apart(name: str, five: ComparisonRecord) -> None:
    [legend] = drawn(name, five).legends
    handles = dict(zip([text.get_text() for text in legend.get_texts()], legend.legend_handles, strict=True))
    expected = list(DEPLOYMENTS) if name == "performance_comparison" else list(DEPLOYMENTS)[1:]
    assert len({(handles[name].get_color(), handles[name].get_marker()) for name in expected}) == len(expected)


def test_names_go_without_the_model_that_all_serve(five: ComparisonRecord) -> None:
    assert list(short_names(five).values()) == list(DEPLOYMENTS)


def test_an_interval_beyond_the_axis_ends_in_an_arrow(five: ComparisonRecord) -> None:
    """Two launches give intervals over several decades, which would leave the ratios themselves no room."""
    for axes in drawn("ratios", five).axes:
        low, high = axes.get_xlim()
        for line in axes.get_lines():
            if line.get_marker() in "<>":
                assert line.get_xdata()[0] == pytest.approx(low if line.get_marker() == "<" else high)
            elif len(line.get_xdata()) == 2 and line.get_color() != "0.3":
                assert low * 0.999 <= min(line.get_xdata()) <= max(line.get_xdata()) <= high * 1.001
