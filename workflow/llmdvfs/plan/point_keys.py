"""Operating points as a user writes them: values, lists and ranges, for each role or for all."""

from dataclasses import dataclass, field
from typing import Annotated

from llmdvfs.records.allowed import Allowed
from llmdvfs.records.search import RoleOrAll

NUMBER = "[1-9][0-9]{0,5}"
RANGE = f"{NUMBER}([.][.]{NUMBER}/{NUMBER})?"
MOST = 100_000
BY_ROLE = "a value for each role or for `all`, as in `{single: %s}`; a list or range (`%s`) gives a point each"
CEILINGS = "; `..1410` or `{min: 600, max: 1410}` is one point whose clock may move below its ceiling"

ClockOrRange = Annotated[
    int | str,
    Allowed(
        minimum=1,
        maximum=MOST,
        pattern=rf"^([.][.]{NUMBER}|{RANGE})$(?!\n)",
        expected="a whole number of MHz, a range such as 600..1980/60, or a ceiling such as ..1410",
    ),
]
IntegerOrRange = Annotated[
    int | str,
    Allowed(
        minimum=1,
        maximum=MOST,
        pattern=rf"^{RANGE}$(?!\n)",
        expected="a whole number of MHz or a range such as 600..1980/60",
    ),
]
NumberOrRange = Annotated[
    float | str,
    Allowed(
        above=0,
        maximum=MOST,
        pattern=rf"^{RANGE}$(?!\n)",
        expected="a number of watts or a range such as 300..700/50",
    ),
]
Integers = Annotated[int | tuple[IntegerOrRange, ...], Allowed(minimum=1, maximum=MOST, not_empty=True)]
Numbers = Annotated[float | tuple[NumberOrRange, ...], Allowed(above=0, maximum=MOST, not_empty=True)]


@dataclass(frozen=True, slots=True)
class CeilingKeys:
    """A range in which the core clock may move by itself."""

    max: Integers
    """The ceiling; a list or range gives a point each."""
    min: Annotated[int, Allowed(minimum=1, maximum=MOST)] = 1
    """How low the core clock may go under its ceiling (left out, as low as the GPU goes)."""


Ceiling = Annotated[CeilingKeys, Allowed(without_defaults=True)]
Clocks = Annotated[int | tuple[ClockOrRange, ...] | Ceiling, Allowed(minimum=1, maximum=MOST, not_empty=True)]


@dataclass(frozen=True, slots=True)
class PointKeys:
    """Clocks and limits of one operating point, or of each combination of its lists and ranges."""

    sm_clock_mhz: Annotated[dict[RoleOrAll, Clocks], Allowed(expected=BY_ROLE % ("900", "600..1980/60") + CEILINGS)] = (
        field(default_factory=dict)
    )
    """Core clock to lock, or a ceiling under which it may move, for each role (`single`, `prefill`, `decode`)."""
    memory_clock_mhz: Annotated[dict[RoleOrAll, Integers], Allowed(expected=BY_ROLE % ("900", "600..1980/60"))] = field(
        default_factory=dict
    )
    """Memory clock to lock, for each role."""
    power_limit_w: Annotated[dict[RoleOrAll, Numbers], Allowed(expected=BY_ROLE % ("400", "300..700/50"))] = field(
        default_factory=dict
    )
    """Power cap, for each role."""
