"""Steps of an engine from the stamps of its streams: times in milliseconds, worked out by hand."""

import numpy as np
import pytest

from llmdvfs.analysis.axis.engine_steps import engine_steps, stamp_error_ns
from llmdvfs.analysis.axis.moves import Stream, moves_of
from llmdvfs.analysis.axis.occupancy import Level, step_occupancy
from llmdvfs.analysis.step_sizes import StepSizes

MS = 1_000_000


def stream(arrival_ms: float, *moved_ms: float, num_prompt_tokens: int = 512) -> Stream:
    return Stream(round(arrival_ms * MS), tuple(round(t * MS) for t in moved_ms), num_prompt_tokens)


def told(*streams: Stream) -> list[tuple[str, float, float, int, int]]:
    """Return phase, begin [ms], end [ms], steps and decoding requests."""
    steps = engine_steps(moves_of(streams), "single", started_mono_ns=0)
    return [(s.phase, round(1e3 * s.begin_s), round(1e3 * s.end_s), s.num_steps, s.num_decoding) for s in steps]


def test_a_decoder_that_waits_for_anothers_prefill_is_not_decoding() -> None:
    """The second prompt is prefilled from 130 to 180 ms, while the first stream gets nothing: no `mixed`."""
    first = stream(0, 100, 110, 120, 130, 190, 200)
    second = stream(125, 180, 190, 200)
    assert told(first, second) == [
        ("prefill", 0, 100, 1, 0),
        ("decode", 100, 130, 3, 1),
        ("prefill", 130, 180, 1, 0),
        ("decode", 180, 200, 2, 2),
    ]


def test_a_step_that_also_moves_others_is_mixed_and_so_is_a_long_one_while_a_prompt_waits() -> None:
    """Chunked prefill of the second prompt in two steps of 40 ms, beside the first stream's tokens."""
    first = stream(0, 100, 110, 120, 130, 170, 210, 220)
    second = stream(125, 210, 220)
    assert [(phase, begin, end) for phase, begin, end, *_ in told(first, second)] == [
        ("prefill", 0, 100),
        ("decode", 100, 130),
        ("mixed", 130, 170),
        ("mixed", 170, 210),
        ("decode", 210, 220),
    ]


def test_decode_steps_beside_a_prompt_that_could_be_served_may_hold_a_piece_of_it() -> None:
    """Pieces of 2 ms do not make steps of 10 ms long: from 130 to 150 ms the second prompt may run, or wait.

    The third prompt waits from 165 ms on for the first stream to leave: no more than two ever moved together.
    """
    first = stream(0, 100, 110, 120, 130, 140, 150, 160, 170, 180)
    second = stream(125, 160, 170, 180, 190, 200)
    third = stream(165, 190, 200)
    steps = engine_steps(moves_of([first, second, third]), "single", started_mono_ns=0)
    waits = [(round(1e3 * s.begin_s), round(1e3 * s.end_s)) for s in steps if s.prompt_waits]
    assert waits == [(130, 150)]


def sizes(num_steps: float, **at_most: float) -> StepSizes:
    """Return a histogram; at_most: `up_to_64=3` for three steps of at most 64 tokens."""
    return StepSizes(num_steps, 0.0, tuple((float(name.removeprefix("up_to_")), n) for name, n in at_most.items()))


def told_with(
    histogram: StepSizes | None, *streams: Stream, num_warmup_requests: int = 0
) -> list[tuple[str, int, int]]:
    """Return phase, begin and end [ms]."""
    moves = moves_of(streams)
    steps = engine_steps(moves, "single", started_mono_ns=0, sizes=histogram, num_warmup_requests=num_warmup_requests)
    return [(s.phase, round(1e3 * s.begin_s), round(1e3 * s.end_s)) for s in steps]


AHEAD = (
    stream(0, 100, 110, 120, 130, 151, 157, 167),
    stream(121, 157, 167),
)
"""Two prompts on an engine that schedules a step ahead, as one of an H100 was seen: the second arrives in the step that
ends at 130 ms; the next, scheduled before, has only the first stream and takes 10 ms; but its token is written at 151,
when the step with the prompt (17 ms, until 157) has been launched."""


def test_a_late_token_is_no_piece_of_a_prompt_where_the_engine_says_that_two_steps_held_one() -> None:
    """Six of the eight steps had one token or two; two prompts were prefilled in one step each."""
    assert told_with(sizes(8, up_to_1=4, up_to_8=6, up_to_512=6), *AHEAD)[1:] == [
        ("decode", 100, 140),
        ("mixed", 140, 157),
        ("decode", 157, 167),
    ]


def test_without_the_engines_word_a_long_step_beside_a_waiting_prompt_holds_a_piece() -> None:
    expected = [("decode", 100, 130), ("mixed", 130, 151), ("mixed", 151, 157), ("decode", 157, 167)]
    assert told_with(None, *AHEAD)[1:] == expected
    # a histogram that begins above the prompts tells nothing, nor one with fewer prompts than ended (a prefix cache)
    assert told_with(sizes(8, up_to_512=8), *AHEAD)[1:] == expected
    assert told_with(sizes(8, up_to_8=7, up_to_512=8), *AHEAD)[1:] == expected


def test_as_many_pieces_as_the_engine_counted_are_the_longest_steps() -> None:
    """Three steps held prompt tokens beside those of two warm-up requests: one more than first tokens."""
    assert told_with(sizes(10, up_to_8=5, up_to_512=5), *AHEAD, num_warmup_requests=2)[2] == ("mixed", 130, 151)
    assert told_with(sizes(10, up_to_8=6, up_to_512=6), *AHEAD, num_warmup_requests=2)[2] == ("mixed", 140, 157)


def test_between_two_requests_the_engine_idles() -> None:
    steps = engine_steps(moves_of([stream(0, 50, 60), stream(100, 150, 160)]), "single", started_mono_ns=0)
    occupancy = step_occupancy(steps, (), "single")
    assert occupancy.seconds_between("idle", 0.0, 0.16) == pytest.approx(0.04)
    assert occupancy.seconds_between("prefill", 0.0, 0.16) == pytest.approx(0.1)
    assert occupancy.seconds_between("decode", 0.0, 0.16) == pytest.approx(0.02)


def test_a_queue_is_taken_from_a_prefill_that_met_an_idle_engine() -> None:
    """5 ms before each of two prefills of 50 ms; an idle device's level holds them."""
    steps = engine_steps(moves_of([stream(0, 50, 60), stream(100, 150, 160)]), "single", started_mono_ns=0)
    occupancy = step_occupancy(steps, (), "single").with_queue(0.005)
    assert occupancy.seconds_between("queue", 0.0, 0.16) == pytest.approx(0.01)
    assert occupancy.seconds_between("prefill", 0.0, 0.16) == pytest.approx(0.09)
    first_s, last_s = occupancy.seconds_before(Level("idle", holds_queue=True), np.array([0.0, 0.16]))
    assert last_s - first_s == pytest.approx(0.05)


def test_the_delay_of_stamps_is_found_from_their_spread() -> None:
    """Two stamps of a step, 0 and 2 ms late: 1 ms behind the first on average, which itself trails by half: 2 ms."""
    streams = [stream(0, 100, 120, 140), stream(0, 102, 122, 142)]
    assert stamp_error_ns(moves_of(streams)) == pytest.approx(2 * MS)


def test_levels_of_a_phase_add_up_to_it() -> None:
    """Batches of 1, 2 and 4 at knots 1 and 4 (log2: 0 and 2): the batch of 2 is half of each level."""
    low, high = (Level("decode", (0.0, 2.0), position) for position in (0, 1))
    streams = [
        stream(0, 10, 20, 30, 40, 50, num_prompt_tokens=0),
        stream(0, 30, 40, 50, num_prompt_tokens=0),
        stream(0, 50, num_prompt_tokens=0),
        stream(0, 50, num_prompt_tokens=0),
    ]
    occupancy = step_occupancy(engine_steps(moves_of(streams), "single", started_mono_ns=0), (), "single")
    assert occupancy.seconds_at_edges(low)[-1] == pytest.approx(0.02 + 0.02 / 2)
    assert occupancy.seconds_at_edges(high)[-1] == pytest.approx(0.02 / 2 + 0.01)
