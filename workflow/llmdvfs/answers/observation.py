"""One operating point in one launch: what an answer is made from, whichever energy and time it is about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Observation:
    """One cell as an answer sees it: a point's energy and time in one launch, both above 0."""

    point: str
    launch: int
    energy_j: float
    time_s: float
    is_stock: bool = False
    """Whether nothing was asked; several such points in a launch are repeats of stock."""
    order: int = 0
    """Position of the cell in its launch."""
    latencies_s: Mapping[str, float] = field(default_factory=dict)
    """`ttft_s`, `tpot_s`, `e2e_s` -> p99, by which limits are judged."""


STOCK = "stock"


def by_point(observations: Iterable[Observation]) -> dict[str, dict[int, list[Observation]]]:
    """Return point -> launch -> observations in measured order.

    All points that ask for nothing are one, `stock`.
    """
    table: dict[str, dict[int, list[Observation]]] = {}
    for seen in sorted(observations, key=lambda seen: (seen.launch, seen.order)):
        name = STOCK if seen.is_stock else seen.point
        table.setdefault(name, {}).setdefault(seen.launch, []).append(seen)
    return table
