"""Makes the fonts of the figures out of matplotlib's DejaVu Sans: `python bench/figures/lean_fonts.py`.

Every PDF has the glyphs that it shows in it. fontTools cuts them out of the font, a third of the time that a cell's
figures took; out of a font with few glyphs in a third of that. Texts look the same: outlines, hints, kerning and
ligatures are those of DejaVu Sans.
"""

import logging
from pathlib import Path

import matplotlib
from fontTools import subset

SOURCE = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
TARGET = Path(__file__).parents[2] / "workflow" / "llmdvfs" / "figures" / "parts" / "fonts"
RANGES = (
    (0x0020, 0x017F),  # Latin
    (0x0370, 0x03FF),  # Greek
    (0x2010, 0x20AC),  # punctuation, superscripts and subscripts, the euro
    (0x2190, 0x22FF),  # arrows, operators
    (0x25A0, 0x25FF),  # geometric shapes
)
FAMILY, FULL, POSTSCRIPT, TYPOGRAPHIC_FAMILY = 1, 4, 6, 16  # ids in a font's table of names


def make(style: str) -> None:
    """Write one lean font, under a name of its own."""
    options = subset.Options(
        layout_features=["*"], name_IDs=["*"], name_languages=["*"], notdef_outline=True, glyph_names=True
    )
    options.drop_tables += ["MATH", "FFTM"]
    font = subset.load_font(str(SOURCE / f"DejaVuSans{style}.ttf"), options)
    subsetter = subset.Subsetter(options=options)
    subsetter.populate(unicodes=[code for first, last in RANGES for code in range(first, last + 1)])
    subsetter.subset(font)
    for record in font["name"].names:
        text = record.toUnicode()
        if record.nameID in (FAMILY, FULL, TYPOGRAPHIC_FAMILY):
            record.string = text.replace("DejaVu Sans", "DejaVu Sans Lean")
        elif record.nameID == POSTSCRIPT:
            record.string = text.replace("DejaVuSans", "DejaVuSansLean")
    TARGET.mkdir(exist_ok=True)
    font.save(TARGET / f"DejaVuSansLean{style}.ttf")


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # tables that only their author's editor reads
    for own in ("", "-Oblique"):
        make(own)
