"""Moves are grouped in columns as they would be one by one."""

import math

from hypothesis import given
from hypothesis import strategies as st

from llmdvfs.analysis.axis.moves import DEFAULT_JOIN_NS, JOIN_FRACTION, Stream, moves_of, plain_step_ns

Groups = list[list[tuple[int, int]]]
"""Stamp [ns] and stream of each move, in groups."""


def grouped(streams: list[Stream]) -> Groups:
    moves = moves_of(streams)
    pairs = list(zip(moves.t_ns.tolist(), moves.stream.tolist(), strict=True))
    ends = [*moves.group_begin.tolist()[1:], len(pairs)]
    return [pairs[begin:end] for begin, end in zip(moves.group_begin.tolist(), ends, strict=False)]


def grouped_one_by_one(streams: list[Stream]) -> Groups:
    """Go through all moves in the order of time, and begin a group where one cannot be of the last."""
    gaps = [b - a for s in streams for a, b in zip(s.moved_ns, s.moved_ns[1:], strict=False)]
    plain_ns = plain_step_ns(moves_of(streams).gaps_ns)
    join_ns = DEFAULT_JOIN_NS if plain_ns is None else max(plain_ns * JOIN_FRACTION, 1.0)
    assert (plain_ns is None) == (not gaps)
    groups: Groups = []
    latest_ns = -math.inf
    for t, s in sorted((t, number) for number, stream in enumerate(streams) for t in stream.moved_ns):
        if t > latest_ns or s in {other for _, other in groups[-1]}:
            groups.append([])
        latest_ns = t + join_ns
        groups[-1].append((t, s))
    return groups


streams = st.lists(
    st.lists(st.integers(0, 400), max_size=12).map(
        lambda instants: Stream(0, tuple(10**14 + t * 100_000 for t in sorted(instants)), 8)
    ),
    max_size=6,
)


@given(streams)
def test_groups_are_those_found_one_by_one(made: list[Stream]) -> None:
    assert grouped(made) == grouped_one_by_one(made)


def test_a_stamp_more_than_a_quarter_step_late_is_of_the_next_step() -> None:
    """Plain steps take 7.2 ms, a quarter of which is 1.8: 12.1 ms is too late for the step at 10, 19 not for 18."""
    ms = 1_000_000
    first = Stream(0, (2 * ms, 10 * ms, 18 * ms), 8)
    second = Stream(0, (round(12.1 * ms), 19 * ms, 27 * ms), 8)
    moves = moves_of([first, second])
    assert [t / ms for t in moves.first_ns.tolist()] == [2, 10, 12.1, 18, 27]
    assert moves.group_size.tolist() == [1, 1, 1, 2, 1]


def test_64_streams_of_one_step_are_written_one_after_the_other() -> None:
    """As an H100's front end wrote them: 42 us apart, 2.7 ms in all, in steps of 9.7 ms of which a quarter is 2.4."""
    streams = [Stream(0, tuple(step * 9_700_000 + number * 42_000 for step in range(1, 6)), 8) for number in range(64)]
    assert moves_of(streams).group_size.tolist() == [64] * 5


def test_a_stream_never_moves_twice_in_one_step() -> None:
    """Three tokens of one stream at one instant are three steps; the other stream's is of the last of them."""
    moves = moves_of([Stream(0, (10, 10, 10), 8), Stream(0, (10,), 8)])
    assert moves.group_size.tolist() == [1, 1, 2]
