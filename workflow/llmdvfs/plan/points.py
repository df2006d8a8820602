"""Operating points from their short forms: lists, ranges, all roles at once, and their combinations as a grid."""

from collections.abc import Collection, Container, Iterator, Mapping
from itertools import product
from typing import Any

from llmdvfs.errors import ConfigError
from llmdvfs.records.point import OperatingPoint

STOCK = "stock"
ROLES = ("single", "prefill", "decode")
QUANTITIES = ("sm_clock_mhz", "memory_clock_mhz", "power_limit_w")
MAX_POINTS = 1000  # more is a slip of a range's step, and months of measuring


def operating_points(config: Mapping[str, Any]) -> list[OperatingPoint]:
    """Return the points of a complete configuration; ConfigError where two have one name, or there are too many."""
    given = dict(config["operating_points"])
    if clocks := config["core_clocks"]:
        given = {STOCK: {}} | given | {"core": {"sm_clock_mhz": {"all": clocks}}}
    found: dict[str, OperatingPoint] = {}
    for name, settings in given.items():
        if config["device"] != "cuda" and any(settings.values()):
            raise ConfigError(
                f"operating_points.{name}: clocks and limits need device: cuda, not "
                f"{config['device']!r}; leave it empty"
            )
        for point in _expanded(name, settings):
            if point.id in found:
                raise ConfigError(f"operating_points.{name}: two points are named {point.id!r}: rename one of them")
            found[point.id] = point
            if len(found) > MAX_POINTS:
                raise ConfigError(f"operating_points.{name}: more than {MAX_POINTS} points: expected a coarser range")
    return list(found.values())


def distinct_points(points: Collection[OperatingPoint], roles: Container[str]) -> list[str]:
    """Return the points that differ for a deployment with these roles; of equal ones that which asks for least.

    A point of prefill and decode asks nothing of a single instance: there it would be stock under another name. Points
    that ask for nothing by themselves all stay: they are repeats of stock, on purpose.
    """
    found: dict[str, str] = {}
    for point in sorted(points, key=lambda point: point.asks_for_something):
        asked = [{r: v for r, v in getattr(point, name).items() if r in roles} for name in QUANTITIES]
        found.setdefault(repr([sorted(settings.items()) for settings in asked]), point.id)
    kept = set(found.values())
    return [point.id for point in points if point.id in kept or not point.asks_for_something]


def _expanded(name: str, settings: Mapping[str, Mapping[str, Any]]) -> Iterator[OperatingPoint]:
    """Yield every combination; a name ends with the values that were given as a list or a range."""
    axes: list[tuple[str, str, list[Any], bool]] = []
    for quantity in QUANTITIES:
        by_role = settings.get(quantity, {})
        if "all" in by_role and len(by_role) > 1:
            raise ConfigError(
                f"operating_points.{name}.{quantity}: 'all' beside {', '.join(sorted(set(by_role) - {'all'}))}: "
                f"expected either one value for all roles or one for each"
            )
        for role, value in by_role.items():
            many = isinstance(value, list)
            axes.append((quantity, role, _values(name, value) if many else [value], many))
    for combination in product(*(values for _, _, values, _ in axes)):
        chosen: dict[str, dict[str, Any]] = {quantity: {} for quantity in QUANTITIES}
        for (quantity, role, _, _), value in zip(axes, combination, strict=True):
            chosen[quantity] |= dict.fromkeys(ROLES if role == "all" else (role,), value)
        suffix = [f"{value:g}" for (_, _, _, many), value in zip(axes, combination, strict=True) if many]
        yield OperatingPoint("-".join([name, *suffix]), **chosen)


def _values(name: str, given: list[Any]) -> list[Any]:
    """Return the values of a list, ranges `low..high/step` written out (high included where a step reaches it)."""
    values: list[Any] = []
    for item in given:
        if not isinstance(item, str):
            values.append(item)
        elif ".." not in item:
            values.append(int(item))
        else:
            bounds, step = item.split("/")
            low, high = bounds.split("..")
            if int(low) > int(high):
                raise ConfigError(f"operating_points.{name}: range {item!r}: expected low..high/step with low <= high")
            values += range(int(low), int(high) + 1, int(step))
    return sorted(set(values))
