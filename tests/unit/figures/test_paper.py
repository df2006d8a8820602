from pathlib import Path

import pytest
from fakes.drawn import laid_out, points_outside
from fakes.records import fake_study

from llmdvfs.comparison.groups import compare
from llmdvfs.figures.paper import paper_figures
from llmdvfs.figures.parts.style import save_pdf
from llmdvfs.records.comparison import ComparisonRecord


@pytest.fixture(scope="module")
def record() -> ComparisonRecord:
    cells = fake_study(gpu=True, launches=2)
    return compare([cell.result for cell in cells], [cell.run for cell in cells])


def test_figures_are_as_wide_as_their_names_say_and_inside_their_page(record: ComparisonRecord) -> None:
    for name, figure in paper_figures(record):
        assert f"{figure.get_figwidth():g}in" == name.rsplit("-", 1)[1]
        assert points_outside(laid_out(figure)) == []
        box = figure.get_tightbbox()
        assert box.x0 > -0.03, name
        assert box.x1 < figure.get_figwidth() + 0.03, name


def test_equal_data_give_equal_bytes_with_fonts(record: ComparisonRecord, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        name, figure = next(paper_figures(record))
        save_pdf(figure, tmp_path / folder / f"{name}.pdf")
    content = (tmp_path / "a" / f"{name}.pdf").read_bytes()
    assert content == (tmp_path / "b" / f"{name}.pdf").read_bytes()
    assert b"/FontFile2" in content  # the font itself, as TrueType
