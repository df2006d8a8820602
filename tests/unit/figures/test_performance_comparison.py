"""What a reader could not tell in pictures of a study on two H100: whose clock; and names that leant for no reason."""

from dataclasses import replace

from fakes.records import Toy, fake_cell
from matplotlib.figure import Figure

from llmdvfs.comparison.groups import compare
from llmdvfs.figures.performance_comparison import performance_comparison
from llmdvfs.figures.ttft_parts import ttft_parts
from llmdvfs.records.comparison import ComparisonRecord


def of_two(*batches: int) -> ComparisonRecord:
    cells = [
        fake_cell(Toy(name, "concurrent", 1, True, None, batch, 0.5))
        for name in ("single", "disaggregated")
        for batch in batches
    ]
    return compare([cell.result for cell in cells], [cell.run for cell in cells])


def letters(figure: Figure) -> set[str]:
    return {text.get_text() for axes in figure.axes for text in axes.texts} & {"P", "D"}


def caption(figure: Figure) -> str:
    titles = [legend.get_title().get_text() for own in (figure, *figure.subfigs) for legend in own.legends]
    return " ".join(" ".join(titles).split())


def test_two_clocks_of_one_deployment_say_whose_they_are() -> None:
    """A prefill and a decode GPU have a clock each: two like marks stood above one another."""
    figure = performance_comparison(of_two(8))
    assert letters(figure) == {"P", "D"}
    assert "P: prefill's GPUs, D: decode's" in caption(figure)


def test_one_clock_needs_no_letter() -> None:
    made = fake_cell(Toy("single", "concurrent", 1, True, None, 8, 0.5))
    figure = performance_comparison(compare([made.result], [made.run]))
    assert letters(figure) == set()
    assert "prefill's" not in caption(figure)


def test_short_names_stand_level_and_long_ones_lean() -> None:
    """`concurrent-8` fits below its panel by itself; three of them do not fit beside one another."""
    for batches, rotation in (((8,), 0.0), ((8, 16, 32), 30.0)):
        [first, *_] = performance_comparison(of_two(*batches)).subfigs[0].axes
        assert {text.get_rotation() for text in first.get_xticklabels()} == {rotation}


def test_parts_of_ttft_are_words() -> None:
    labels = [text.get_text() for own in ttft_parts(of_two(8)).legends for text in own.get_texts()]
    assert "first decode" in labels


def test_a_page_of_bars_says_how_many_launches_it_leaves_out() -> None:
    """3 deployments at 12 loads and 12 clocks were 432 bars, a figure of 74 in."""
    record = of_two(1)
    parts = next(row for row in record.cells if row.ttft_parts_s)
    figure = ttft_parts(replace(record, cells=(parts,) * 100))
    assert sum(len(bars) for axes in figure.axes for bars in axes.containers[:1]) == 60
    assert "The first 60 of 100 launches" in figure.legends[0].get_title().get_text().replace("\n", " ")
