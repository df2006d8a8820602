"""Operating points under one running load: which workloads allow that, and the order of the points."""

from collections.abc import Collection, Iterator, Sequence

from llmdvfs.arrivals.table import arrival_kind
from llmdvfs.errors import ConfigError
from llmdvfs.records.job import MeasureSettings
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.spec import WorkloadSpec

REPEAT = "stock-repeat-"
MAX_BETWEEN_STOCK = 5  # so that at least every sixth step is stock: a machine that drifts shows it


def is_under_load(workload: WorkloadSpec, settings: MeasureSettings) -> bool:
    """Return whether the points of a workload are measured under one running load."""
    return settings.points_under_load and why_apart(workload) is None


def why_apart(workload: WorkloadSpec) -> str | None:
    """Return why each point of a workload needs a load of its own; None: they can share one."""
    if not arrival_kind(workload.arrival.kind).is_alike_throughout:
        return f"arrivals by {workload.arrival.kind} are not alike throughout"
    if workload.num_requests is not None or workload.duration_s is None:
        return "its load ends by num_requests, and a window under a running load by duration_s"
    return None


def kept_apart(workloads: Collection[WorkloadSpec], settings: MeasureSettings) -> Iterator[str]:
    """Yield a sentence for each workload whose points are measured one cell each though they were to share a load."""
    for workload in workloads if settings.points_under_load else ():
        if (why := why_apart(workload)) is not None:
            yield f"workloads.{workload.id}: each operating point has a load of its own (points_under_load): {why}"


def with_stock_repeats(points: Sequence[OperatingPoint]) -> list[OperatingPoint]:
    """Return the points, and as many repeats of stock as a sweep over all of them needs.

    ConfigError where no point is stock, or where one has the name of a repeat.
    """
    if (taken := next((point.id for point in points if is_repeat(point.id)), None)) is not None:
        raise ConfigError(
            f"operating_points.{taken}: expected a name that does not begin with {REPEAT!r}: these are added by "
            "measure.points_under_load"
        )
    num_stock = sum(not point.asks_for_something for point in points)
    if not num_stock:
        raise ConfigError(
            "measure.points_under_load: true: expected a point that asks for nothing among operating_points, as "
            "`stock: {}`: a sweep begins and ends with it"
        )
    return [*points, *stock_repeats(num_stock, len(points) - num_stock)]


def stock_repeats(num_stock: int, num_others: int) -> list[OperatingPoint]:
    """Return the repeats of stock that a sweep needs: num_stock it has already, num_others are its other points."""
    num_further = num_stock_needed(num_others) - num_stock
    return [OperatingPoint(f"{REPEAT}{number}") for number in range(1, num_further + 1)]


def is_repeat(point: str) -> bool:
    """Return whether a point's name is that of a repeat of stock."""
    return point.startswith(REPEAT)


def num_stock_needed(num_others: int) -> int:
    """Return how many steps at stock so many other points need: first, last, and every sixth at least; 1 for none."""
    return -(-num_others // MAX_BETWEEN_STOCK) + 1


def sweep_order(stock: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the points of a sweep: a stock point first and last, all of them spread evenly among the others.

    stock: in order, repeats last; of these only as many as are needed. others: in the order of the visit.
    """
    needed = num_stock_needed(len(others))
    own = [point for point in stock if not is_repeat(point)]
    repeats = [point for point in stock if is_repeat(point)]
    used = own + repeats[: max(0, needed - len(own))]
    if len(used) == 1:
        return [*used, *others]
    num_gaps = len(used) - 1
    order = [used[0]]
    for gap in range(num_gaps):
        order += others[gap * len(others) // num_gaps : (gap + 1) * len(others) // num_gaps]
        order.append(used[gap + 1])
    return order
