"""What an engine did step by step, told from the instants at which its streams moved; docs/energy.md#phases.

An engine that batches continuously gives every running request its token at the end of the same step, so that a step is
when many streams move together. A step in which a stream moved for the first time prefilled that stream's prompt; where
others moved too it was mixed. A stream that waits while another's prompt is prefilled is not decoding.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.axis.moves import Bools, Ints, Moves, plain_step_ns
from llmdvfs.analysis.step_sizes import StepSizes
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.phases import EngineSteps
from llmdvfs.records.spec import Phase, Role

LONG_STEP = 1.5  # times a plain step: if a prompt waits, a piece of it was prefilled in so long a step
_PHASES: tuple[Phase, ...] = ("decode", "mixed", "prefill")


@dataclass(frozen=True, slots=True)
class _Steps:
    """The steps of an engine in columns, one value a step, sorted by time."""

    begin_ns: Ints
    end_ns: Ints
    phase: npt.NDArray[np.object_]
    num_decoding: Ints
    num_prompt_tokens: Ints
    prompt_waits: Bools

    def only(self, kept: Bools) -> "_Steps":
        """Return some of the steps."""
        return _Steps(
            self.begin_ns[kept],
            self.end_ns[kept],
            self.phase[kept],
            self.num_decoding[kept],
            self.num_prompt_tokens[kept],
            self.prompt_waits[kept],
        )

    def begins_run(self) -> Bools:
        """Return whether each step is not told as one with the step before it.

        Neighbouring decode steps are, with one batch and no pause between them.
        """
        follows = (
            (self.phase[1:] == "decode")
            & (self.phase[:-1] == "decode")
            & (self.num_decoding[1:] == self.num_decoding[:-1])
            & (self.prompt_waits[1:] == self.prompt_waits[:-1])
            & (self.begin_ns[1:] == self.end_ns[:-1])
        )
        return np.concatenate((np.ones(min(len(self.phase), 1), dtype=np.bool_), ~follows.astype(np.bool_)))


def engine_steps(
    moves: Moves, role: Role, *, started_mono_ns: int, sizes: StepSizes | None = None, num_warmup_requests: int = 0
) -> tuple[EngineSteps, ...]:
    """Return the steps of a role's engine, sorted by time, in seconds since started_mono_ns.

    Neighbouring decode steps of one batch are told as one entry. Between two entries no step ran. The first step after
    such a time begins when its first request arrived, so that it may contain time in a queue. sizes: the engine's own
    histogram of its steps, in which the requests of the warm-up are too; None: it does not tell.
    """
    if not len(moves.t_ns):
        return ()
    steps = _steps(moves, None if sizes is None else _num_prompt_steps(moves, sizes, num_warmup_requests))
    first = np.flatnonzero(steps.begins_run())
    last = np.append(first, len(steps.phase))[1:] - 1
    return tuple(
        EngineSteps(role, *values)
        for values in zip(
            steps.phase[last].tolist(),
            ((steps.begin_ns[first] - started_mono_ns) / NS_PER_S).tolist(),
            ((steps.end_ns[last] - started_mono_ns) / NS_PER_S).tolist(),
            (last - first + 1).tolist(),
            steps.num_decoding[last].tolist(),
            steps.num_prompt_tokens[last].tolist(),
            steps.prompt_waits[last].tolist(),
            strict=True,
        )
    )


def stamp_error_ns(moves: Moves) -> float:
    """Return the mean delay of a stamp behind its step's end, from how a step's stamps trail the first of them.

    Delays are taken to be exponential: the first of n such stamps is late by one n-th of the mean delay. Where no two
    streams ever moved together, the gaps within streams tell it: their variance is twice that of the delay.
    """
    together = moves.group_size > 1
    if together.any():
        behind_first_ns = moves.sum_by_group(moves.t_ns - moves.first_ns[moves.group])
        # over n stamps a mean of sum / n, and the first trails too, by 1 / n of the mean delay: sum / n * n / (n - 1)
        return float(np.mean(behind_first_ns[together] / (moves.group_size[together] - 1)))
    gaps = moves.gaps_ns
    plain = gaps[gaps < LONG_STEP * np.median(gaps)] if len(gaps) else gaps
    return float(np.std(plain) / np.sqrt(2)) if len(plain) > 1 else 0.0


def _num_prompt_steps(moves: Moves, sizes: StepSizes, num_warmup_requests: int) -> int | None:
    """Return how many steps of the load held prompt tokens, by the engine; None where its histogram cannot tell them.

    A step without them has a token for each stream that moves in it, so that it lies below the least bound of the
    histogram that no step of decode alone exceeds. One with them lies above it, if no prompt is as short as that and
    none was found in the prefix cache but for as little: then fewer steps are above it than prompts ended.
    """
    bound = sizes.bound_over(int(moves.group_size.max()))
    prompts = moves.num_prompt_tokens[moves.num_prompt_tokens > 0]
    if bound is None or (len(prompts) and prompts.min() <= bound):
        return None
    num_over = round(sizes.num_over(bound))
    num_ending = len(np.unique(moves.group[moves.is_first & (moves.num_prompt_tokens[moves.stream] > 0)]))
    return None if num_over < num_ending else max(num_over - num_warmup_requests, num_ending)


def _steps(moves: Moves, num_prompt_steps: int | None) -> _Steps:
    size = moves.group_size
    ends_ns = np.maximum.accumulate(np.rint(moves.first_ns - stamp_error_ns(moves) / size).astype(np.int64))
    begins_ns, waiting = _begins_and_waiting(moves, ends_ns)
    prompt_tokens = np.where(moves.is_first, moves.num_prompt_tokens[moves.stream], 0)
    num_prefilled = moves.sum_by_group(prompt_tokens > 0)
    num_others = size - num_prefilled
    lengths_ns = ends_ns - begins_ns
    is_plain = (num_prefilled == 0) & ~waiting
    usual_ns = float(np.median(lengths_ns[is_plain])) if is_plain.any() else plain_step_ns(moves.gaps_ns)
    is_long = waiting & (lengths_ns > LONG_STEP * (np.inf if usual_ns is None else usual_ns))
    holds_piece, has_unseen = is_long & (num_prefilled == 0), True
    if num_prompt_steps is not None:
        num_pieces = num_prompt_steps - int(np.count_nonzero(num_prefilled))
        has_unseen = num_pieces > int(np.count_nonzero(holds_piece))
        is_late = holds_piece & ~_longest(lengths_ns, holds_piece, num_pieces)
        holds_piece &= ~is_late
        begins_ns, ends_ns = _without_delays(begins_ns, ends_ns, is_late, usual_ns)
    is_decode = (num_prefilled == 0) & ~holds_piece
    number = np.where(is_decode, 0, np.where(num_others > 0, 1, 2))
    phase = np.array(_PHASES, dtype=np.object_)[number]
    had_room = size < size.max()  # else the prompt waited for a place
    may_hold = is_decode & waiting & had_room & has_unseen
    steps = _Steps(begins_ns, ends_ns, phase, num_others, moves.sum_by_group(prompt_tokens), may_hold)
    return steps.only(ends_ns > begins_ns)


def _longest(lengths_ns: Ints, candidates: Bools, number: int) -> Bools:
    """Return which so many of the candidates are longest."""
    kept = np.zeros(len(lengths_ns), dtype=np.bool_)
    order = np.argsort(np.where(candidates, -lengths_ns, 1), kind="stable")
    kept[order[:number]] = True
    return kept & candidates


def _without_delays(begins_ns: Ints, ends_ns: Ints, is_late: Bools, usual_ns: float | None) -> tuple[Ints, Ints]:
    """Return begins and ends of steps where late ones end after the usual time, and the next ones begin there.

    An engine that schedules a step ahead writes the tokens of a plain step only when it has launched the next one, and
    to launch one with a prompt takes longer than to run a plain one: MEASURED, 21 and 6 ms where 10 and 17 were.
    """
    if usual_ns is None:
        return begins_ns, ends_ns
    in_time_ns = np.where(is_late, begins_ns + int(usual_ns), ends_ns)
    follows = begins_ns[1:] == ends_ns[:-1]
    return np.concatenate((begins_ns[:1], np.where(follows, in_time_ns[:-1], begins_ns[1:]))), in_time_ns


def _begins_and_waiting(moves: Moves, ends_ns: Ints) -> tuple[Ints, Bools]:
    """Return when each step began, and whether a prompt waited at its begin that was not done at its end."""
    num_streams, number = len(moves.arrival_ns), np.arange(len(ends_ns))
    first_group, last_group = np.full(num_streams, -1), np.full(num_streams, -1)
    first_group[moves.stream[moves.is_first]] = moves.group[moves.is_first]
    np.maximum.at(last_group, moves.stream, moves.group)
    order = np.argsort(moves.arrival_ns, kind="stable")
    arrival_ns = moves.arrival_ns[order]
    last_so_far = np.maximum.accumulate(last_group[order])
    first_so_far = np.maximum.accumulate(first_group[order])
    previous_ns = np.concatenate(([np.iinfo(np.int64).min], ends_ns[:-1]))
    known = np.searchsorted(arrival_ns, previous_ns, side="right")
    is_busy = (known > 0) & (last_so_far[known - 1] >= number)
    next_arrival_ns = arrival_ns[np.minimum(known, num_streams - 1)]
    begins_ns = np.where(is_busy, previous_ns, np.minimum(next_arrival_ns, ends_ns))
    at_begin = np.searchsorted(arrival_ns, begins_ns, side="right")
    waiting = (at_begin > 0) & (first_so_far[at_begin - 1] > number)
    return begins_ns, waiting
