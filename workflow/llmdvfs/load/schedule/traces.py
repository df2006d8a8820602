"""Arrivals recorded by production services: Azure CSV, Mooncake JSONL, BurstGPT CSV; plain or gzip."""

import csv
import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from llmdvfs.errors import DataError

MOONCAKE_BLOCK_TOKENS = 512  # a hash id stands for so many tokens of a prompt


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One recorded request; `hash_ids` name the prompt's blocks, equal ids are equal text."""

    t_s: float
    """Since the trace's first request."""
    num_prompt_tokens: int
    num_output_tokens: int
    hash_ids: tuple[int, ...] = ()


def read_trace(path: Path, trace_format: str) -> list[TraceRow]:
    """Return the trace's rows in order of time, the first at 0 s; DataError names the damaged line."""
    if trace_format not in _FORMATS:
        raise DataError(f"{path}: trace format {trace_format!r} is unknown; expected one of {', '.join(_FORMATS)}")
    records, to_row = _FORMATS[trace_format]
    rows: list[TraceRow] = []
    try:
        with _open(path) as file:
            for record in records(file):
                rows.append(to_row(record))  # noqa: PERF401 (the error below says how far it came)
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: the {trace_format} trace cannot be read ({error}); check the path") from error
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{path}: not a whole {trace_format} trace, damaged after {len(rows)} good records "
            f"({type(error).__name__}: {error}); get the file again"
        ) from error
    # BurstGPT keeps failed requests as rows without an answer: they tell no length to ask for.
    answered = sorted((row for row in rows if row.num_output_tokens > 0), key=lambda row: row.t_s)
    if not answered:
        raise DataError(f"{path}: the {trace_format} trace has no answered request; expected at least one")
    first_s = answered[0].t_s
    return [replace(row, t_s=row.t_s - first_s) for row in answered]


def cut_trace(rows: Iterable[TraceRow], *, start_s: float, length_s: float | None, speedup: float) -> list[TraceRow]:
    """Return the rows of [start, start + length), their times counted from the start and divided by speedup."""
    end_s = float("inf") if length_s is None else start_s + length_s
    return [replace(row, t_s=(row.t_s - start_s) / speedup) for row in rows if start_s <= row.t_s < end_s]


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _json_lines(file: TextIO) -> Iterable[Any]:
    return (json.loads(line) for line in file)


def _azure(record: dict[str, str]) -> TraceRow:
    seconds, _, fraction = record["TIMESTAMP"].partition(".")
    t_s = (datetime.fromisoformat(seconds) - datetime(1970, 1, 1)).total_seconds() + float(f"0.{fraction or 0}")
    return TraceRow(t_s, int(record["ContextTokens"]), int(record["GeneratedTokens"]))


def _mooncake(record: dict[str, Any]) -> TraceRow:
    hash_ids = tuple(int(hash_id) for hash_id in record["hash_ids"])
    return TraceRow(record["timestamp"] / 1000, int(record["input_length"]), int(record["output_length"]), hash_ids)


def _burstgpt(record: dict[str, str]) -> TraceRow:
    return TraceRow(float(record["Timestamp"]), int(record["Request tokens"]), int(record["Response tokens"]))


_FORMATS: dict[str, tuple[Callable[[TextIO], Iterable[Any]], Callable[[Any], TraceRow]]] = {
    "azure": (csv.DictReader, _azure),
    "mooncake": (_json_lines, _mooncake),
    "burstgpt": (csv.DictReader, _burstgpt),
}
