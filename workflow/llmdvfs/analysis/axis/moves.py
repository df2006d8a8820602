"""When the streams of an engine moved, and which of them moved together; docs/energy.md#phases.

A large load has millions of moves: they are held in columns, and grouped without a look at each of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

JOIN_FRACTION = 0.25  # of a plain decode step: tokens of one step are read by the client one after another
DEFAULT_JOIN_NS = 2_000_000  # where no stream has two tokens: well below any prefill
PLAIN_STEP_PERCENTILE = 10  # of the gaps within streams: the short ones are steps without a prefill


@dataclass(frozen=True, slots=True)
class Stream:
    """One request as one engine had it."""

    arrival_ns: int
    """When the engine got the request, as far as that can be seen from outside."""
    moved_ns: tuple[int, ...]
    """When the stream moved: at the end of its prefill, then at each token."""
    num_prompt_tokens: int
    """Prompt tokens that this engine has to prefill; 0: it only decodes the request."""


@dataclass(frozen=True, slots=True)
class Moves:
    """All moves of an engine's streams, sorted by time, in groups of those that moved together."""

    arrival_ns: Ints
    """One value a stream, as the next."""
    num_prompt_tokens: Ints
    t_ns: Ints
    """One value a move, as the next two."""
    stream: Ints
    """Which stream moved."""
    is_first: Bools
    """Whether it moved for the first time."""
    group_begin: Ints
    """Where each group begins among the moves."""
    gaps_ns: Ints
    """Between neighbouring moves of one stream, of all streams."""

    @property
    def first_ns(self) -> Ints:
        """Return the first stamp of each group."""
        return self.t_ns[self.group_begin]

    @property
    def group_size(self) -> Ints:
        """Return how many streams moved in each group."""
        return np.diff(self.group_begin, append=len(self.t_ns))

    @property
    def group(self) -> Ints:
        """Return the number of the group of each move."""
        return np.repeat(np.arange(len(self.group_begin)), self.group_size)

    def sum_by_group(self, values: npt.NDArray[np.int64 | np.bool_]) -> Ints:
        """Return the sum of one value a move over each group."""
        return np.add.reduceat(values.astype(np.int64), self.group_begin)


def moves_of(streams: Sequence[Stream]) -> Moves:
    """Return all moves of streams, grouped."""
    lengths = np.array([len(stream.moved_ns) for stream in streams], dtype=np.int64)
    moved_ns = np.fromiter(
        chain.from_iterable(stream.moved_ns for stream in streams), dtype=np.int64, count=int(lengths.sum())
    )
    is_first = np.zeros(len(moved_ns), dtype=np.bool_)
    is_first[(np.cumsum(lengths) - lengths)[lengths > 0]] = True
    owner = np.repeat(np.arange(len(streams)), lengths)
    gaps_ns = np.diff(moved_ns)[~is_first[1:]]
    order = np.lexsort((is_first, owner, moved_ns))
    t_ns, owner = moved_ns[order], owner[order]
    return Moves(
        arrival_ns=np.array([stream.arrival_ns for stream in streams], dtype=np.int64),
        num_prompt_tokens=np.array([stream.num_prompt_tokens for stream in streams], dtype=np.int64),
        t_ns=t_ns,
        stream=owner,
        is_first=is_first[order],
        group_begin=_group_begins(t_ns, owner, _join_ns(gaps_ns)),
        gaps_ns=gaps_ns,
    )


def plain_step_ns(gaps_ns: Ints) -> float | None:
    """Return how long a decode step without prefills takes; None where no stream moved twice."""
    return float(np.percentile(gaps_ns, PLAIN_STEP_PERCENTILE)) if len(gaps_ns) else None


def _join_ns(gaps_ns: Ints) -> int:
    plain_ns = plain_step_ns(gaps_ns)
    return DEFAULT_JOIN_NS if plain_ns is None else int(max(plain_ns * JOIN_FRACTION, 1.0))


def _group_begins(t_ns: Ints, stream: Ints, join_ns: int) -> Ints:
    """Return where each group begins: after a gap of more than join_ns, and where a stream moves again.

    t_ns: sorted. An engine's front end writes the tokens of a step one after the other: the stamps of 64 streams reach
    over a quarter of a step and more (MEASURED, 2.7 of 9.7 ms). No stream has two tokens in one step. If a group began
    at any one move, the next would begin after the first gap, or at the first stream that moves again; from the first
    move on, each group says where the next one begins.
    """
    after_gap = np.append(np.flatnonzero(np.diff(t_ns) > join_ns) + 1, len(t_ns))
    next_gap = after_gap[np.searchsorted(after_gap, np.arange(len(t_ns)), side="right")]
    moves_again = np.minimum.accumulate(_move_after(stream)[::-1])[::-1]
    next_begin = np.minimum(next_gap, moves_again)
    begins, begin = [], 0
    while begin < len(next_begin):
        begins.append(begin)
        begin = int(next_begin[begin])
    return np.array(begins, dtype=np.int64)


def _move_after(stream: Ints) -> Ints:
    """Return where each move's stream moves next, the number of moves where it does not."""
    order = np.argsort(stream, kind="stable")
    after = np.full(len(stream), len(stream))
    same = stream[order][1:] == stream[order][:-1]
    after[order[:-1][same]] = order[1:][same]
    return after
