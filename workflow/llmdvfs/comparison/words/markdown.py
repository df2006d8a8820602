"""Writes the summary as Markdown, with a table for every metric however many there are."""

from collections.abc import Iterator

from llmdvfs.comparison.words.notes import notes
from llmdvfs.comparison.words.tables import Block, brief, detailed, legend
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.modelled import MODELLED_NOTE


def comparison_markdown(record: ComparisonRecord) -> str:
    """Return the text of `summary.md`: verdict, a short table for each workload, notes, then every metric."""
    parts = [
        "# Summary",
        f"**{MODELLED_NOTE}**" if record.modelled else "",
        "\n".join(f"- {_escaped(sentence)}" for sentence in record.verdict),
        "\n".join(f"{_escaped(said)}  " for said in legend(record)),
        *("\n".join(_block_lines(block)) for block in brief(record)),
        "\n".join(f"- {_escaped(note)}" for note in notes(record)),
        "# Every metric",
        *("\n".join(_block_lines(block)) for block in detailed(record)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block_lines(block: Block) -> Iterator[str]:
    yield f"## {_escaped(': '.join(part for part in (block.section, block.title) if part))}"
    yield ""
    yield _row(block.header)
    yield _row(["---"] * len(block.header))
    yield from (_row(row) for row in block.rows)


def _row(cells: "tuple[str, ...] | list[str]") -> str:
    return "| " + " | ".join(cell if cell == "---" else _escaped(cell) for cell in cells) + " |"


def _escaped(text: str) -> str:
    """Return the text with what Markdown would take for marks of its own made literal."""
    for mark in ("\\", "|", "*", "_", "~", "<", ">", "[", "]"):
        text = text.replace(mark, f"\\{mark}")
    return text
