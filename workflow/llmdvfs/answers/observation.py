"""What an answer is made from: one operating point in one launch, whatever the energy and the time are of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Observation:
    """One cell: a point's energy and time in one launch; both above 0."""

    point: str
    launch: int
    energy_j: float
    time_s: float
    is_stock: bool = False
    """Nothing was asked; several such points in a launch are repeats of stock."""
    order: int = 0
    """Position in the launch."""
    latencies_s: Mapping[str, float] = field(default_factory=dict)
    """What limits are judged by: `ttft_s`, `tpot_s`, `e2e_s`, each a p99."""


STOCK = "stock"


def by_point(observations: Iterable[Observation]) -> dict[str, dict[int, list[Observation]]]:
    """Return point -> launch -> observations in measured order; all points that ask for nothing are one, `stock`."""
    table: dict[str, dict[int, list[Observation]]] = {}
    for seen in sorted(observations, key=lambda seen: (seen.launch, seen.order)):
        name = STOCK if seen.is_stock else seen.point
        table.setdefault(name, {}).setdefault(seen.launch, []).append(seen)
    return table
