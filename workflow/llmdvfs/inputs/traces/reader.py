"""Reads a window of a trace.

The file is streamed: memory does not grow with it, and blocks before the window are passed over.
"""

import heapq
import zlib
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path

import orjson

from llmdvfs.errors import DataError
from llmdvfs.inputs.traces.blocks import Block, read_blocks
from llmdvfs.inputs.traces.row import US_PER_S, RawRow, TraceFormat, TraceRow
from llmdvfs.inputs.traces.table import TRACE_FORMATS, trace_format_named

MAX_DISORDER_US = 60 * US_PER_S  # a record may stand so long after later ones; more is another file than it seems
MAX_SPAN_US = 366 * 86_400 * US_PER_S  # a later record is damaged: nobody would wait for it
NUM_HEAD_ROWS = 1000

ParseLine = Callable[[str], RawRow]


def read_window(
    path: Path, trace_format: str, *, start_s: float = 0.0, length_s: float | None = None
) -> Iterator[TraceRow]:
    """Yield the answered requests of [start, start + length) in order of time, times since the trace's first one.

    start_s, length_s: in seconds; None: to the end. Records without prompt or without answer (BurstGPT keeps failed
    requests so) are left out. Records outside the window are not all looked at. Raises DataError for a file that is
    missing, damaged or of another format, naming the line, and where no record lies in the window.
    """
    form = trace_format_named(trace_format)
    begin_us = round(start_s * US_PER_S)
    end_us = None if length_s is None else begin_us + round(length_s * US_PER_S)
    try:
        yield from _in_order(_window(path, form, begin_us, end_us), form.block_tokens)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: the {trace_format} trace cannot be read ({error}); check the path") from error


def check_trace_head(path: Path, trace_format: str) -> None:
    """Raise DataError where a trace's first records are not of this format; it names the format that they fit."""
    try:
        _head(path, trace_format_named(trace_format))
    except DataError as error:
        fitting = [name for name in TRACE_FORMATS if name != trace_format and _fits(path, TRACE_FORMATS[name])]
        if fitting:
            raise DataError(f"{error}; it reads as {' or '.join(fitting)}: set trace_format so") from error
        raise


def _fits(path: Path, form: TraceFormat) -> bool:
    try:
        _head(path, form)
    except DataError:
        return False
    return True


def _head(path: Path, form: TraceFormat) -> None:
    rows = read_window(path, form.name)
    try:
        for _ in range(NUM_HEAD_ROWS):
            next(rows)
    except StopIteration:
        return


def _window(path: Path, form: TraceFormat, begin_us: int, end_us: int | None) -> Iterator[RawRow]:
    """Yield the answered rows of the window, their times since the first one, in the order of the file."""
    parse: ParseLine | None = None
    origin_us: int | None = None
    latest_us = num_found = 0
    for block in read_blocks(path):
        if parse is None:
            parse, block = _layout(path, form, block)
        if origin_us is not None and (last := block.last_line):
            last_us = _parsed(path, form, parse, f"the line before {_end(block)}", last).t_us - origin_us
            if latest_us - MAX_DISORDER_US <= last_us < begin_us - MAX_DISORDER_US:
                latest_us = max(latest_us, last_us)
                continue
        records = ((number, _parsed(path, form, parse, f"line {number}", line)) for number, line in block.lines())
        rows = [(number, row) for number, row in records if row.num_prompt_tokens and row.num_output_tokens]
        if origin_us is None:
            if not rows:
                continue
            origin_us = min(row.t_us for _, row in rows)
        for number, row in rows:
            t_us = row.t_us - origin_us
            _check_time(path, form, number, t_us, latest_us)
            latest_us = max(latest_us, t_us)
            if begin_us <= t_us and (end_us is None or t_us < end_us):
                num_found += 1
                yield row._replace(t_us=t_us)
        if end_us is not None and latest_us >= end_us + MAX_DISORDER_US:
            break
    if origin_us is None:
        raise DataError(f"{path}: the {form.name} trace has no answered request; expected at least one")
    if not num_found:
        until = "" if end_us is None else f" and ends at {end_us / US_PER_S:g} s"
        raise DataError(
            f"{path}: no request lies in the window that starts at {begin_us / US_PER_S:g} s{until}; "
            f"expected some: what was read of the trace ends at {latest_us / US_PER_S:.1f} s"
        )


def _layout(path: Path, form: TraceFormat, block: Block) -> tuple[ParseLine, Block]:
    """Return what reads a line, and the first block without the line that names the columns."""
    if form.columns is None:
        return (lambda line: form.parse(orjson.loads(line))), block
    header, _, rest = block.content.partition(b"\n")
    names = [name.strip() for name in header.decode(errors="replace").split(",")]
    missing = [name for name in form.columns if name not in names]
    if missing:
        raise DataError(
            f"{path}: line 1: no column {missing[0]!r}: expected {', '.join(form.columns)} of the {form.name} format; "
            f"seen {', '.join(names)[:200]}"
        )
    pick = itemgetter(*(names.index(name) for name in form.columns))

    def parse(line: str) -> RawRow:
        values = line.split(",")
        if len(values) != len(names):
            raise ValueError(f"{len(values)} columns: expected {len(names)}")
        return form.parse(pick(values))

    return parse, Block(2, rest)


def _parsed(path: Path, form: TraceFormat, parse: ParseLine, where: str, line: str) -> RawRow:
    try:
        row = parse(line)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        what = f"no field {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"{path}: {where} is not a record of the {form.name} format ({what}); seen {line[:100]!r}: "
            "correct trace_format or the file"
        ) from error
    if row.num_prompt_tokens < 0 or row.num_output_tokens < 0:
        raise DataError(
            f"{path}: {where}: {row.num_prompt_tokens} prompt and {row.num_output_tokens} output tokens: expected 0 "
            "(left out) or more; correct the file"
        )
    return row


def _check_time(path: Path, form: TraceFormat, number: int, t_us: int, latest_us: int) -> None:
    if t_us < 0 or t_us < latest_us - MAX_DISORDER_US:
        raise DataError(
            f"{path}: line {number} is {(latest_us - t_us) / US_PER_S:g} s earlier than a line before it: expected the "
            f"{form.name} trace in order of time, within {MAX_DISORDER_US // US_PER_S} s; sort the file"
        )
    if t_us > MAX_SPAN_US:
        raise DataError(
            f"{path}: line {number} is {t_us / US_PER_S / 86_400:.0f} days after the first: expected a trace of a year "
            "at most; correct the line"
        )


def _in_order(rows: Iterator[RawRow], block_tokens: int) -> Iterator[TraceRow]:
    """Yield rows by time; only those wait that an earlier one may still follow."""
    waiting: list[tuple[int, int, RawRow]] = []
    for number, row in enumerate(rows):
        heapq.heappush(waiting, (row.t_us, number, row))
        while waiting[0][0] < row.t_us - MAX_DISORDER_US:
            yield _trace_row(heapq.heappop(waiting)[2], block_tokens)
    while waiting:
        yield _trace_row(heapq.heappop(waiting)[2], block_tokens)


def _trace_row(row: RawRow, block_tokens: int) -> TraceRow:
    return TraceRow(row.t_us / US_PER_S, row.num_prompt_tokens, row.num_output_tokens, row.hash_ids, block_tokens)


def _end(block: Block) -> int:
    return block.first_line + block.content.count(b"\n")
