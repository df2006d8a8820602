"""What an adaptive search has decided so far: `search/decided.json`, from which a study reads its points."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from llmdvfs.records.allowed import Allowed
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.rule import Rule

RoundKind = Literal["range", "near", "again", "cross", "confirm"]
"""range: clocks over the whole range. near: within 40 % of the lowest. again: the best and the ends of its ties.
cross: the best clocks of two roles together. confirm: the chosen points and stock, in fresh launches."""
SEARCHING: tuple[RoundKind, ...] = ("range", "near", "again")
SearchState = Literal["searching", "target_reached", "budget_spent", "no_clocks"]
RoleOrAll = Literal["all", "single", "prefill", "decode"]
RangeText = Annotated[
    str,
    Allowed(
        pattern=r"^[1-9][0-9]{0,5}[.][.][1-9][0-9]{0,5}/[1-9][0-9]{0,5}$(?!\n)",
        expected="a range of MHz such as 210..1980/15",
    ),
]


@dataclass(frozen=True, slots=True)
class ClockRange:
    """The core clocks among which a search looks, both ends included."""

    low_mhz: int
    high_mhz: int
    step_mhz: int = 15

    def snapped(self, clock_mhz: float) -> int:
        """Return the nearest clock of the range's grid."""
        steps = round((min(max(clock_mhz, self.low_mhz), self.high_mhz) - self.low_mhz) / self.step_mhz)
        clock = self.low_mhz + steps * self.step_mhz
        return clock if clock <= self.high_mhz else clock - self.step_mhz


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """What a study asks of its search: the clocks to look among, and when to end."""

    sm_clock_mhz: Annotated[dict[str, ClockRange], Allowed(written=dict[RoleOrAll, RangeText], not_empty=True)]
    """Range and step of the clocks, for each role or for `all`, as in `{all: 210..1980/15}`."""
    target_regret_fraction: Annotated[float, Allowed(above=0, maximum=1, default=0.01)]
    """The search of a load ends where its energy is above the lowest by no more than this, with 95 % confidence."""
    max_cells: Annotated[int, Allowed(minimum=7, maximum=10_000, default=28)]
    """Cells of a load and role, beside stock, after which the search ends in any case."""


@dataclass(frozen=True, slots=True)
class SearchRound:
    """Points that are measured together with stock, in launches of their own."""

    kind: RoundKind
    launches: tuple[int, ...]
    points: tuple[OperatingPoint, ...]
    """The points besides stock."""
    reason: str
    chosen: dict[Rule, str] = field(default_factory=dict)
    """In a `confirm` round: the point that each rule had chosen before these launches; empty elsewhere."""


@dataclass(frozen=True, slots=True)
class SearchedLoad:
    """The search at one load of one deployment: its rounds so far, and how it stands."""

    deployment: str
    workload: str
    rounds: tuple[SearchRound, ...] = ()
    state: SearchState = "searching"
    text: str = ""
    """The state in words: what was found, why the search ended there, what more would cost."""

    @property
    def confirmation(self) -> SearchRound | None:
        """Return the round that confirms what the search found last; None: there is none yet."""
        return self.rounds[-1] if self.rounds and self.rounds[-1].kind == "confirm" else None


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """Everything that the search of a study has decided: one entry a load."""

    settings: SearchSettings
    loads: tuple[SearchedLoad, ...]
