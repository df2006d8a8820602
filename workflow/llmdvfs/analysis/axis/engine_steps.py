"""What an engine did step by step, told from the instants at which its streams moved; docs/energy.md#phases.

An engine that batches continuously gives every running request its token at the end of the same step, so that a step is
when many streams move together. A step in which a stream moved for the first time prefilled that stream's prompt; where
others moved too it was mixed. A stream that waits while another's prompt is prefilled is not decoding.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from llmdvfs.clock import NS_PER_S
from llmdvfs.records.phases import EngineSteps
from llmdvfs.records.spec import Phase, Role

JOIN_FRACTION = 0.25  # of a plain decode step: tokens of one step are read by the client one after another
DEFAULT_JOIN_NS = 2_000_000  # where no stream has two tokens: well below any prefill
PLAIN_STEP_PERCENTILE = 10  # of the gaps within streams: the short ones are steps without a prefill
LONG_STEP = 1.5  # times a plain step: if a prompt waits, a piece of it was prefilled in so long a step


_Move = tuple[int, bool, int]
"""A stream, whether it moved for the first time, and the stamp [ns]."""


_Alike = tuple[Phase, int, bool]
"""Phase, batch, and whether a prompt waited, of steps that are told as one."""


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
class _Step:
    """One step of the engine."""

    begin_ns: int
    end_ns: int
    phase: Phase
    num_decoding: int
    num_prompt_tokens: int
    prompt_waits: bool

    @property
    def alike(self) -> _Alike | None:
        """What neighbouring steps must share to be told as one entry; None: this step is one by itself."""
        return (self.phase, self.num_decoding, self.prompt_waits) if self.phase == "decode" else None


def engine_steps(streams: Sequence[Stream], role: Role, *, started_mono_ns: int) -> tuple[EngineSteps, ...]:
    """Return the steps of a role's engine, sorted by time, in seconds since started_mono_ns.

    Neighbouring decode steps of one batch are told as one entry. Between two entries no step ran. The first step after
    such a time begins when its first request arrived, so that it may contain time in a queue.
    """
    told = []
    for alike, members in _runs(_steps(streams)):
        last = members[-1]
        begin_s, end_s = ((t - started_mono_ns) / NS_PER_S for t in (members[0].begin_ns, last.end_ns))
        told.append(
            EngineSteps(
                role,
                last.phase,
                begin_s,
                end_s,
                len(members) if alike else 1,
                last.num_decoding,
                last.num_prompt_tokens,
                last.prompt_waits,
            )
        )
    return tuple(told)


def stamp_error_ns(streams: Sequence[Stream]) -> float:
    """Return the mean delay of a stamp behind its step's end, from how a step's stamps trail the first of them.

    Delays are taken to be exponential: the first of n such stamps is late by one n-th of the mean delay. Where no two
    streams ever moved together, the gaps within streams tell it: their variance is twice that of the delay.
    """
    return _stamp_error_ns(streams, _moved_together(streams, _join_ns(streams)))


def _stamp_error_ns(streams: Sequence[Stream], groups: Sequence[tuple[int, list[_Move]]]) -> float:
    later = [
        (t - end_ns) * len(members) / (len(members) - 1)  # the first trails too, by 1/n of the mean delay
        for end_ns, members in groups
        if len(members) > 1
        for t in [sum(instant for _, _, instant in members) / len(members)]
    ]
    if later:
        return float(np.mean(later))
    gaps = np.concatenate([np.diff(stream.moved_ns) for stream in streams] or [np.empty(0)])
    plain = gaps[gaps < LONG_STEP * np.median(gaps)] if len(gaps) else gaps
    return float(np.std(plain) / np.sqrt(2)) if len(plain) > 1 else 0.0


def plain_step_ns(streams: Sequence[Stream]) -> float | None:
    """Return how long a decode step without prefills takes; None where no stream moved twice."""
    gaps = np.concatenate([np.diff(stream.moved_ns) for stream in streams] or [np.empty(0)])
    return float(np.percentile(gaps, PLAIN_STEP_PERCENTILE)) if len(gaps) else None


def _runs(steps: Sequence[_Step]) -> list[tuple[_Alike | None, list[_Step]]]:
    """Return the steps in runs of those alike that follow each other without a pause."""
    runs: list[tuple[_Alike | None, list[_Step]]] = []
    for alike, group in groupby(steps, key=lambda step: step.alike):
        for step in group:
            if alike is not None and runs and runs[-1][0] == alike and runs[-1][1][-1].end_ns == step.begin_ns:
                runs[-1][1].append(step)
            else:
                runs.append((alike, [step]))
    return runs


def _steps(streams: Sequence[Stream]) -> list[_Step]:
    plain_ns = plain_step_ns(streams)
    groups = _moved_together(streams, _join_ns(streams))
    if not groups:
        return []
    delay_ns = _stamp_error_ns(streams, groups)
    ends_ns = np.array([round(first_ns - delay_ns / len(members)) for first_ns, members in groups])
    ends_ns = np.maximum.accumulate(ends_ns)
    begins_ns, waiting = _begins_and_waiting(streams, groups, ends_ns)
    others = [[s for s, first, _ in members if not (first and streams[s].num_prompt_tokens)] for _, members in groups]
    firsts = [[s for s, first, _ in members if first and streams[s].num_prompt_tokens] for _, members in groups]
    lengths_ns = ends_ns - begins_ns
    is_plain = np.array([not first for first in firsts]) & ~waiting
    usual_ns = float(np.median(lengths_ns[is_plain])) if is_plain.any() else plain_ns
    most = max(len(members) for _, members in groups)
    found = []
    for i, end_ns in enumerate(ends_ns):
        holds_piece = bool(waiting[i]) and usual_ns is not None and lengths_ns[i] > LONG_STEP * usual_ns
        phase: Phase = "decode"
        if firsts[i] or holds_piece:
            phase = "mixed" if others[i] else "prefill"
        tokens = sum(streams[s].num_prompt_tokens for s in firsts[i])
        had_room = len(groups[i][1]) < most  # else the prompt waited for a place
        waits = phase == "decode" and bool(waiting[i]) and had_room
        found.append(_Step(int(begins_ns[i]), int(end_ns), phase, len(others[i]), tokens, waits))
    return [step for step in found if step.end_ns > step.begin_ns]


def _join_ns(streams: Sequence[Stream]) -> float:
    plain_ns = plain_step_ns(streams)
    return DEFAULT_JOIN_NS if plain_ns is None else max(plain_ns * JOIN_FRACTION, 1.0)


def _moved_together(streams: Sequence[Stream], join_ns: float) -> list[tuple[int, list[_Move]]]:
    """Return the first stamp of each step and which streams moved in it."""
    lengths = [len(stream.moved_ns) for stream in streams]
    instants = np.fromiter((t for stream in streams for t in stream.moved_ns), dtype=np.int64, count=sum(lengths))
    owners = np.repeat(np.arange(len(streams)), lengths)
    is_first = np.concatenate([np.arange(length) == 0 for length in lengths] or [np.empty(0, dtype=np.bool_)])
    order = np.lexsort((is_first, owners, instants))
    groups: list[tuple[int, list[_Move]]] = []
    members: list[_Move] = []
    seen: set[int] = set()
    latest_ns = -math.inf  # a later stamp is of another step
    for t, s, first in zip(instants[order].tolist(), owners[order].tolist(), is_first[order].tolist(), strict=True):
        if t > latest_ns or s in seen:
            members = []
            groups.append((t, members))
            seen.clear()
            latest_ns = t + join_ns
        members.append((s, first, t))
        seen.add(s)
    return groups


def _begins_and_waiting(
    streams: Sequence[Stream], groups: Sequence[tuple[int, list[_Move]]], ends_ns: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return when each step began, and whether a prompt waited at its begin that was not done at its end."""
    first_group = np.full(len(streams), -1)
    last_group = np.full(len(streams), -1)
    for g, (_, members) in enumerate(groups):
        for s, first, _ in members:
            first_group[s] = g if first else first_group[s]
            last_group[s] = g
    arrival_ns = np.array([stream.arrival_ns for stream in streams])
    order = np.argsort(arrival_ns, kind="stable")
    arrival_ns = arrival_ns[order]
    last_so_far = np.maximum.accumulate(last_group[order])
    first_so_far = np.maximum.accumulate(first_group[order])
    begins_ns = np.empty(len(groups), dtype=np.int64)
    waiting = np.zeros(len(groups), dtype=np.bool_)
    previous_ns = np.iinfo(np.int64).min
    for g, end_ns in enumerate(ends_ns):
        known = int(np.searchsorted(arrival_ns, previous_ns, side="right"))
        is_busy = known > 0 and last_so_far[known - 1] >= g
        begins_ns[g] = previous_ns if is_busy else min(int(arrival_ns[min(known, len(order) - 1)]), int(end_ns))
        at_begin = int(np.searchsorted(arrival_ns, begins_ns[g], side="right"))
        waiting[g] = at_begin > 0 and first_so_far[at_begin - 1] > g
        previous_ns = end_ns
    return begins_ns, waiting
