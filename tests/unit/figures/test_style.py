import re
from pathlib import Path
from typing import BinaryIO

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from llmdvfs.figures.parts.style import ARCHITECTURES, PHASES, architecture_look, save_figure, styled


@styled
def small() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1], [0, 1], label="line")
    return figure


def test_equal_figures_give_equal_files(tmp_path: Path) -> None:
    """Nothing depends on when a figure is made, so a re-made one is no change."""
    for name in ("a", "b"):
        save_figure(small(), tmp_path / f"{name}.png")
    for suffix in (".png", ".pdf"):
        content = (tmp_path / "a").with_suffix(suffix).read_bytes()
        assert content == (tmp_path / "b").with_suffix(suffix).read_bytes()
        assert b"CreationDate" not in content


def test_png_has_300_dots_an_inch(tmp_path: Path) -> None:
    save_figure(small(), tmp_path / "deep" / "a.png")
    width, height = matplotlib.image.imread(tmp_path / "deep" / "a.png").shape[1::-1]
    assert (width, height) == (600, 300)


def test_a_full_disk_is_told_with_the_figure_that_was_being_written(tmp_path: Path) -> None:
    """It was "a file cannot be written: No space left on device"."""
    (tmp_path / "a.png").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as failed:
        save_figure(small(), tmp_path / "a.png")
    assert failed.value.filename == str(tmp_path / "a.png")


def test_the_callers_style_is_left_alone() -> None:
    before = dict(matplotlib.rcParams)
    figure = small()
    assert dict(matplotlib.rcParams) == before
    assert not figure.axes[0].spines["top"].get_visible()


@pytest.mark.parametrize("looks", [ARCHITECTURES, PHASES])
def test_grey_print_tells_meanings_apart(looks: dict) -> None:
    assert len({look.colour for look in looks.values()}) == len(looks)
    assert len({look.marker for look in looks.values()}) == len(looks)
    assert len({look.line for look in looks.values()}) == len(looks)


def test_an_architecture_without_a_look_has_one_nevertheless() -> None:
    assert architecture_look("something new") == ARCHITECTURES["external"]


def test_the_lean_font_draws_what_the_whole_font_draws(tmp_path: Path) -> None:
    """It is DejaVu Sans with fewer glyphs: kerning, ligatures and hints are the same, and so are all dots."""
    text = "AVAToffee, 0.5 \u2212 10 % ~ \u00b5s \u2026 \u2265 3 \u25cf \u25b2 \u25c6 \u2192"
    dots = []
    for family in ("DejaVu Sans Lean", "DejaVu Sans"):
        figure = Figure(figsize=(4, 1), dpi=300)
        figure.text(0, 0.6, text, family=family)
        figure.text(0, 0.1, text, family=family, style="italic")
        figure.savefig(tmp_path / "text.png")
        dots.append((tmp_path / "text.png").read_bytes())
    assert dots[0] == dots[1]


def test_the_lean_font_is_found_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It had two families, and in the own one another weight: matplotlib warned of it where its log is not silenced."""
    own = {(font.name, font.weight) for font in fontManager.ttflist if "DejaVuSansLean" in font.fname}
    assert own == {("DejaVu Sans Lean", 400)}
    save_figure(small(), tmp_path / "plain.png")
    assert caplog.messages == []


@pytest.mark.filterwarnings("error")
def test_a_letter_that_the_lean_font_lacks_comes_from_the_whole_one(tmp_path: Path) -> None:
    """A deployment may be called by Cyrillic letters; matplotlib warns of a glyph that no font has."""
    save_figure(small(), tmp_path / "plain.png")
    assert _fonts(tmp_path / "plain.pdf") == b"DejaVuSansLean\n"
    figure = small()
    figure.suptitle("\u0434\u0430 single")
    save_figure(figure, tmp_path / "named.png")
    assert b"DejaVuSans\n" in _fonts(tmp_path / "named.pdf")


def _fonts(pdf: Path) -> bytes:
    """Return the names of the fonts in a PDF, a line each, without the six letters of their subsets."""
    names = re.findall(rb"/BaseFont /(?:[A-Z]{6}\+)?([\w-]+)", pdf.read_bytes())
    return b"".join(name + b"\n" for name in sorted(set(names)))


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_a_figure_that_is_not_drawn_to_its_end_leaves_no_half(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures were written in place: half of one had a name that Snakemake took for the whole."""

    def stopped(self: object, file: BinaryIO, **_: object) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    save_figure(small(), tmp_path / "a.png")
    before = (tmp_path / f"a.{kind}").read_bytes()
    monkeypatch.setattr({"png": FigureCanvasAgg, "pdf": FigureCanvasPdf}[kind], f"print_{kind}", stopped)
    with pytest.raises(KeyboardInterrupt):
        save_figure(small(), tmp_path / "a.png")
    assert (tmp_path / f"a.{kind}").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "a.pdf"}
