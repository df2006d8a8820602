"""Writes the summary that ends a run: at most 100 columns, the verdict first."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from llmdvfs.comparison.words.notes import notes
from llmdvfs.comparison.words.tables import Block, brief, detailed, is_long, legend
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.modelled import MODELLED_NOTE

WIDTH = 100
GAP = "  "
MAX_NOTES = 4  # of a kind, one a workload and operating point
MIN_NAME = 12  # characters that a name keeps
NAMED = ("deployment", "point", "workload")


def comparison_text(record: ComparisonRecord) -> str:
    """Return verdict, tables and notes.

    Of more workloads and points than fit, each has a line in place of a table.
    """
    long = is_long(record)
    tables = brief(record) if long else detailed(record)
    parts = [
        MODELLED_NOTE if record.modelled else "",
        "\n".join(line for sentence in record.verdict for line in _wrapped(sentence)),
        "\n".join(line for said in legend(record) for line in _wrapped(said)),
        *("\n".join(lines) for lines in _sections(tables, headed=long)),
        "\n".join(line for note in notes(record, MAX_NOTES) for line in _wrapped(note, "! ")),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _wrapped(text: str, mark: str = "") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=mark, subsequent_indent="  ", break_on_hyphens=False, break_long_words=True
    )


def _sections(blocks: Sequence[Block], *, headed: bool) -> Iterator[list[str]]:
    """Yield the lines of each section: its name, then its tables without a gap."""
    for section, own in groupby(blocks, key=lambda block: block.section):
        yield [section, *(line for block in own for line in _block_lines(block, headed=headed))]


def _block_lines(block: Block, *, headed: bool) -> Iterator[str]:
    if block.title:
        yield from textwrap.wrap(block.title, WIDTH, subsequent_indent="  ")
    rows = [block.header, *block.rows] if headed else list(block.rows)
    yield from _fitted(rows, block.header)


def _fitted(rows: Sequence[tuple[str, ...]], header: Sequence[str]) -> Iterator[str]:
    """Yield the rows, columns aligned; where they are too wide names are cut, then the last column has its own line."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for column, name in enumerate(header):
        if name in NAMED:
            widths[column] = max(min(widths[column], MIN_NAME), widths[column] - max(0, _total(widths) - WIDTH))
    own_line = _total(widths) > WIDTH
    for row in rows:
        cells = [_cut(text, width).ljust(width) for text, width in zip(row, widths, strict=True)]
        if own_line:
            yield GAP.join(cells[:-1]).rstrip()
            yield from textwrap.wrap(cells[-1].strip(), WIDTH - 8, initial_indent=" " * 8, subsequent_indent=" " * 8)
        else:
            yield GAP.join(cells).rstrip()


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
