"""What every format of traces is turned into, and what a format has to say of itself."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

US_PER_S = 1_000_000


class RawRow(NamedTuple):
    """One record as its file has it.

    Instants are whole microseconds since an origin of the file's own.
    """

    t_us: int
    num_prompt_tokens: int
    num_output_tokens: int
    hash_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One recorded request, whatever the format it was recorded in."""

    t_s: float
    """Seconds since the trace's first answered request."""
    num_prompt_tokens: int
    num_output_tokens: int
    hash_ids: tuple[int, ...] = ()
    """Names of the blocks that the prompt consists of: equal ids stand for equal text."""
    block_tokens: int = 0
    """Number of tokens that one hash id stands for; 0 where there are no hash ids."""


@dataclass(frozen=True, slots=True)
class TraceFormat:
    """A format of traces: one row of the table."""

    name: str
    what: str
    """Whose traces have it, for people."""
    columns: tuple[str, ...] | None
    """Columns of a CSV file, by name and in the order in which `parse` takes them; None: JSON lines."""
    parse: Callable[[Any], RawRow]
    """Turns a line's columns, or its JSON object, into a row; KeyError, TypeError or ValueError says what is wrong."""
    block_tokens: int = 0


def microseconds(seconds: float) -> int:
    """Return seconds as whole microseconds; ValueError where they are not a finite number."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise ValueError(f"time {seconds!r}: expected a finite number")
    return round(seconds * US_PER_S)


def whole(record: dict[str, Any], name: str) -> int:
    """Return a field that must be a whole number."""
    value = record[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} {value!r}: expected a whole number")
    return value


def hash_ids_of(record: dict[str, Any], num_prompt_tokens: int, block_tokens: int) -> tuple[int, ...]:
    """Return the record's `hash_ids`; ValueError where their number is not that of the prompt's blocks.

    A last block that the prompt does not fill may lack an id.
    """
    ids = tuple(int(hash_id) for hash_id in record["hash_ids"])
    if not num_prompt_tokens // block_tokens <= len(ids) <= -(-num_prompt_tokens // block_tokens):
        raise ValueError(
            f"{len(ids)} hash_ids for input_length {num_prompt_tokens}: expected one a block of {block_tokens} tokens"
        )
    return ids
