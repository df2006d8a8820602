"""Reads a file of lines in blocks of about a mebibyte, plain or gzip.

Whole blocks can be passed over, so that a reader need not look at what lies before its window.
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from llmdvfs.errors import DataError

BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 64 << 20  # a longer one is no record
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole lines of a file."""

    first_line: int
    """Number of the block's first line in the file, from 1."""
    content: bytes

    @property
    def last_line(self) -> str:
        """The last line that is not empty; an empty text where there is none."""
        return self.content.rstrip().rpartition(b"\n")[2].decode(errors="replace")

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield (line number, text) of every line that is not empty."""
        for number, line in enumerate(self.content.split(b"\n"), self.first_line):
            text = line.decode(errors="replace").strip()
            if text:
                yield number, text


def read_blocks(path: Path) -> Iterator[Block]:
    """Yield the file in blocks, without its byte order mark; memory does not grow with the file."""
    first_line, kept = 1, b""
    held: Block | None = None  # a last line without an end belongs to the block before it
    with _open(path) as file:
        while read := file.read(BLOCK_BYTES):
            content = kept + read
            if held is None:
                content = content.removeprefix(BYTE_ORDER_MARK)
            whole_lines, newline, kept = content.rpartition(b"\n")
            if len(kept) > MAX_LINE_BYTES:
                raise DataError(f"{path}: a line of over {MAX_LINE_BYTES >> 20} MiB: expected a record a line")
            if newline:
                if held is not None:
                    yield held
                held = Block(first_line, whole_lines + newline)
                first_line += whole_lines.count(b"\n") + 1
    if held is not None:
        yield Block(held.first_line, held.content + kept)
    elif kept:
        yield Block(first_line, kept.removeprefix(BYTE_ORDER_MARK))


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
