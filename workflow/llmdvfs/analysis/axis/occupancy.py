"""How long the devices of a role were in each phase, and how busy they were in it (docs/metrics.md#energy)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Literal

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.sensors import Floats
from llmdvfs.records.phases import EngineSteps, PhaseInterval, PhasesRecord, phase_of
from llmdvfs.records.spec import DeviceRole, Phase

PHASES: tuple[Phase, ...] = ("prefill", "decode", "mixed", "transfer", "queue", "idle")
EARLY_S = 0.1  # a GPU that was idle draws more for so long: docs/energy.md#phases
NUMBERS_OF = attrgetter("num_decoding", "num_prompt_tokens", "num_steps", "begin_s", "end_s", "prompt_waits")


@dataclass(frozen=True, slots=True)
class Level:
    """A phase, or the part of it near one value of its load (a knot): weight 1 there, falling to 0 at the next knots.

    The levels of all knots and parts of a phase add up to the phase.
    """

    phase: Phase
    knots: tuple[float, ...] = ()
    """Values of the load at which the levels of the phase stand; fewer than two: the whole phase is one level."""
    position: int = 0
    """Which of the knots this level stands at."""
    part: Literal["whole", "early", "late"] = "whole"
    """early: only the first EARLY_S after the role was idle; late: only what came after that; whole: both."""
    holds_queue: bool = False
    """Whether time in a queue counts as this level too, since an engine that only has waiting requests idles."""

    def weight(self, load: Floats, early: npt.NDArray[np.bool_]) -> Floats:
        """Return how much of each piece of the phase is in this level, from 0 to 1; one value a piece.

        load: of each piece (see `Occupancy.load`). early: whether the piece lies within EARLY_S of an idle time.
        """
        share: Floats = np.ones_like(load)
        if len(self.knots) > 1:
            share = np.interp(load, self.knots, np.eye(len(self.knots))[self.position])
        if self.part == "whole":
            return share
        return np.where(early == (self.part == "early"), share, 0.0)


@dataclass(frozen=True, eq=False)
class Occupancy:
    """The phase of a role over time: `phase[i]` lasts from `edge_s[i]` to `edge_s[i + 1]`; idle before and after."""

    edge_s: Floats
    phase: tuple[Phase, ...]
    load: Floats
    """One value a piece: log2 of the batch (decode), of the prompt tokens (prefill), of the step's length in ms
    (mixed); else 0."""
    early: npt.NDArray[np.bool_]
    """Whether each piece lies within EARLY_S of the end of an idle time."""
    edge_error_s: float = 0.0
    """By how much an edge may be told too late, on average."""
    overlaps: bool = False
    """Whether several requests were in the role at once without its being known which of them the engine served."""

    @cached_property
    def _number(self) -> npt.NDArray[np.int64]:
        """The phase of each piece, as its position in PHASES."""
        position = {phase: number for number, phase in enumerate(PHASES)}
        return np.array([position[phase] for phase in self.phase], dtype=np.int64)

    def weights(self, level: Level) -> Floats:
        """Return how much of each piece of time is in the level, from 0 to 1."""
        inside = self._number == PHASES.index(level.phase)
        if level.holds_queue:
            inside |= self._number == PHASES.index("queue")
        found: Floats = inside * level.weight(self.load, self.early)
        return found

    def seconds_at_edges(self, level: Level) -> Floats:
        """Return the seconds spent in the level since the first edge, at each edge."""
        return np.concatenate(([0.0], np.cumsum(self.weights(level) * np.diff(self.edge_s))))

    def seconds_before(self, level: Level, t_s: Floats, at_edges: Floats | None = None) -> Floats:
        """Return the seconds spent in the level up to each instant, from an origin that all calls share.

        at_edges: what seconds_at_edges(level) returns, where the caller needs it often; None: it is worked out.
        """
        if not len(self.edge_s):
            return t_s.copy() if level.phase == "idle" else np.zeros_like(t_s)
        found: Floats = np.interp(t_s, self.edge_s, self.seconds_at_edges(level) if at_edges is None else at_edges)
        if level.phase == "idle":
            found += np.minimum(t_s - self.edge_s[0], 0.0) + np.maximum(t_s - self.edge_s[-1], 0.0)
        return found

    def weight_at(self, level: Level, t_s: Floats) -> Floats:
        """Return how much of the level the role is in at each instant, from 0 to 1."""
        outside = 1.0 if level.phase == "idle" else 0.0
        if not len(self.edge_s):
            return np.full_like(t_s, outside)
        around = np.concatenate(([outside], self.weights(level), [outside]))
        found: Floats = around[np.searchsorted(self.edge_s, t_s, side="right")]
        return found

    def phases_at(self, t_s: Floats) -> list[Phase]:
        """Return the phase at each instant; idle before the first edge and from the last one on."""
        around = np.array(("idle", *self.phase, "idle"), dtype=np.object_)
        found: list[Phase] = around[np.searchsorted(self.edge_s, t_s, side="right")].tolist()
        return found

    def seconds_between(self, phase: Phase, begin_s: float, end_s: float) -> float:
        """Return the seconds spent in the phase in [begin, end]."""
        first, last = self.seconds_before(Level(phase), np.array([begin_s, end_s]))
        return float(last - first)

    def num_begins(self, phase: Phase, begin_s: float, end_s: float) -> int:
        """Return how often the phase began in [begin, end] [s]."""
        inside = np.array([p == phase for p in self.phase], dtype=np.bool_)
        begins = inside & ~np.concatenate(([False], inside[:-1]))
        return int((begins & (self.edge_s[:-1] >= begin_s) & (self.edge_s[:-1] <= end_s)).sum()) if len(inside) else 0

    def _out_of_idle(self) -> list[int]:
        """Return the pieces in which a prefill begins that met an idle engine."""
        return [
            i
            for i, phase in enumerate(self.phase)
            if phase in ("prefill", "mixed") and (i == 0 or self.phase[i - 1] in ("idle", "transfer"))
        ]

    def num_begins_out_of_idle(self, begin_s: float, end_s: float) -> int:
        """Return how often a prefill met an idle engine in [begin, end]."""
        return sum(begin_s <= self.edge_s[i] <= end_s for i in self._out_of_idle())

    def with_queue(self, queue_s: float) -> "Occupancy":
        """Return the same occupancy with each prefill that met an idle engine beginning queue_s later.

        Such a request is seen from its arrival; the time until its prefill becomes the phase `queue`.
        """
        starts = self._out_of_idle()
        if not starts or queue_s <= 0:
            return self
        edge_s = np.unique(np.concatenate([self.edge_s, self.edge_s[starts] + queue_s]))
        middle_s = (edge_s[:-1] + edge_s[1:]) / 2
        piece = np.searchsorted(self.edge_s, middle_s) - 1
        kept = piece < len(self.phase)
        edge_s, piece, middle_s = np.append(edge_s[:-1][kept], edge_s[kept.sum()]), piece[kept], middle_s[kept]
        begun_s = np.concatenate(([-np.inf], self.edge_s[starts]))[
            np.searchsorted(self.edge_s[starts], middle_s, side="right")
        ]
        queues = middle_s - begun_s < queue_s
        phases: tuple[Phase, ...] = tuple(
            "queue" if waits and self.phase[p] in ("prefill", "mixed") else self.phase[p]
            for p, waits in zip(piece, queues, strict=True)
        )
        return Occupancy(edge_s, phases, self.load[piece], self.early[piece], self.edge_error_s, self.overlaps)


def occupancy_of(phases: PhasesRecord, role: DeviceRole) -> Occupancy:
    """Return the phase of a role over time by the best that is known: its engine's steps, else its requests."""
    steps = [step for step in phases.steps if step.role == role]
    if steps:
        return step_occupancy(steps, phases.intervals, role, phases.stamp_error_s.get(role, 0.0))
    return role_occupancy(phases.intervals, role)


def occupancy_with_pieces(phases: PhasesRecord, role: DeviceRole) -> Occupancy | None:
    """Return the occupancy if each decode step beside a waiting prompt held a piece of it, hence was mixed.

    None: there was no such step. Pieces too small to make a step longer are not seen from outside.
    """
    steps = [step for step in phases.steps if step.role == role]
    if not any(step.prompt_waits for step in steps):
        return None
    error_s = phases.stamp_error_s.get(role, 0.0)
    return step_occupancy(steps, phases.intervals, role, error_s, with_pieces=True)


def role_occupancy(intervals: Sequence[PhaseInterval], role: DeviceRole) -> Occupancy:
    """Return the phase of a role over time from its requests; for `host`, of all roles together.

    A request in `mixed` counts as prefilling and as decoding.
    """
    steps: dict[float, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
    for interval in intervals:
        if role not in ("host", interval.role) or interval.end_s <= interval.begin_s:
            continue
        kind = interval.phase
        change = np.array(
            [kind in ("prefill", "mixed"), kind == "transfer", kind in ("decode", "mixed")], dtype=np.int64
        )
        for instant_s, sign in ((interval.begin_s, 1), (interval.end_s, -1)):
            steps[instant_s] = steps.get(instant_s, np.zeros(3, dtype=np.int64)) + sign * change
    edges = np.array(sorted(steps), dtype=np.float64)
    counts = np.cumsum([steps[edge] for edge in edges], axis=0) if len(edges) else np.empty((0, 3))
    phases = tuple(phase_of(*(int(n) for n in row)) for row in counts[:-1])
    overlaps = bool(len(counts)) and int(counts.sum(axis=1).max()) > 1
    none_early = np.zeros(len(phases), dtype=np.bool_)
    return Occupancy(edges, phases, np.zeros(len(phases)), none_early, overlaps=overlaps)


def step_occupancy(
    steps: Sequence[EngineSteps],
    intervals: Sequence[PhaseInterval],
    role: DeviceRole,
    edge_error_s: float = 0.0,
    *,
    with_pieces: bool = False,
) -> Occupancy:
    """Return the phase of the role over time from its engine's steps; between steps it is `transfer` or `idle`.

    with_pieces: whether steps beside a waiting prompt count as mixed.
    """
    mine = [step for step in steps if step.role == role]
    begin_s, end_s = np.array([s.begin_s for s in mine]), np.array([s.end_s for s in mine])
    phase_of_step = np.array([s.phase for s in mine], dtype=np.object_)
    if with_pieces:
        phase_of_step[[s.prompt_waits for s in mine]] = "mixed"
    between = role_occupancy([i for i in intervals if i.phase == "transfer"], role)
    starts_s = begin_s[np.concatenate(([True], begin_s[1:] > end_s[:-1]))[: len(mine)]]
    edge_s = np.unique(np.concatenate([begin_s, end_s, starts_s + EARLY_S, between.edge_s]))
    middle_s = (edge_s[:-1] + edge_s[1:]) / 2
    number = np.searchsorted(begin_s, middle_s, side="right") - 1
    is_step = (number >= 0) & (middle_s < end_s[number]) if len(mine) else np.zeros(len(middle_s), dtype=np.bool_)
    phase = np.where(between.weight_at(Level("transfer"), middle_s) > 0, "transfer", "idle").astype(np.object_)
    phase[is_step] = phase_of_step[number[is_step]]
    load = np.zeros(len(middle_s))
    load[is_step] = _loads(mine, phase_of_step)[number[is_step]]
    since_s = middle_s - np.concatenate(([-np.inf], starts_s))[np.searchsorted(starts_s, middle_s, side="right")]
    return Occupancy(edge_s, tuple(phase.tolist()), load, is_step & (since_s < EARLY_S), edge_error_s)


def _loads(steps: Sequence[EngineSteps], phase: npt.NDArray[np.object_]) -> Floats:
    """Return the load of each step; phase: what each counts as (see `Occupancy.load`)."""
    numbers = np.array([NUMBERS_OF(step) for step in steps], dtype=np.float64).reshape(-1, 6)
    decoding, prompt_tokens, num_steps, begin_s, end_s, waits = numbers.T
    # A step that may hold a piece is told apart from those that end a prompt: their pieces are of other lengths.
    mixed = np.log2((end_s - begin_s) / num_steps * 1e3) + waits
    of_work = np.log2(np.maximum(np.where(phase == "decode", decoding, prompt_tokens), 1))
    found: Floats = np.where(phase == "mixed", mixed, of_work)
    return found
