"""Operating points from their short forms: lists, ranges, all roles at once, and combinations as a grid."""

from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from llmdvfs.errors import ConfigError
from llmdvfs.records.point import OperatingPoint

STOCK = "stock"
CORE = "core"  # of the points that `core_clocks` makes
ROLES = ("single", "prefill", "decode")
QUANTITIES = ("sm_clock_mhz", "memory_clock_mhz", "power_limit_w")
ASKED = (*QUANTITIES, "sm_clock_min_mhz")
LOWEST = 0  # of a core clock's range: as low as the GPU goes
MAX_POINTS = 1000  # more is a slip of a range's step, and months of measuring


@dataclass(frozen=True, slots=True)
class Value:
    """One clock or limit, and for a core clock how far below it the clock may move."""

    setting: Any
    low: int | None = None
    """Lower end of the range whose upper end, a ceiling, is `setting`; None: the clock is locked to `setting`."""

    @property
    def in_names(self) -> str:
        """Return the end of the point's name: 1410, max1410 for a ceiling, 600to1410 for a range."""
        if self.low is None:
            return f"{self.setting:g}"
        return f"max{self.setting:g}" if self.low == LOWEST else f"{self.low}to{self.setting:g}"


def operating_points(config: Mapping[str, Any]) -> list[OperatingPoint]:
    """Return the points of a complete configuration; ConfigError where two have one name, or there are too many."""
    given = dict(config["operating_points"])
    if clocks := config["core_clocks"]:
        if CORE in given:
            raise ConfigError(
                f"operating_points.{CORE}: beside core_clocks, which makes points of that name: rename it"
            )
        given = {STOCK: {}} | given | {CORE: {"sm_clock_mhz": {"all": clocks}}}
    found: dict[str, OperatingPoint] = {}
    for name, settings in given.items():
        key = "core_clocks" if clocks and name == CORE else f"operating_points.{name}"
        if config["device"] != "cuda" and any(settings.values()):
            raise ConfigError(f"{key}: clocks and limits need device: cuda, not {config['device']!r}; leave it empty")
        for point in _expanded(name, settings, key):
            if point.id in found:
                raise ConfigError(f"{key}: two points are named {point.id!r}: rename one of them")
            found[point.id] = point
            if len(found) > MAX_POINTS:
                raise ConfigError(f"{key}: more than {MAX_POINTS} points: expected a coarser range")
    return list(found.values())


def distinct_points(points: Collection[OperatingPoint], roles: Container[str]) -> list[str]:
    """Return the points that differ for a deployment with these roles; of equal ones the one that asks for least.

    A point of prefill and decode asks nothing of a single instance: there it would be stock under another name. Points
    that by themselves ask for nothing all stay: they are repeats of stock, on purpose.
    """
    found: dict[str, str] = {}
    for point in sorted(points, key=lambda point: point.asks_for_something):
        asked = [{r: v for r, v in getattr(point, name).items() if r in roles} for name in ASKED]
        found.setdefault(repr([sorted(settings.items()) for settings in asked]), point.id)
    kept = set(found.values())
    return [point.id for point in points if point.id in kept or not point.asks_for_something]


def _expanded(name: str, settings: Mapping[str, Mapping[str, Any]], key: str) -> Iterator[OperatingPoint]:
    """Yield every combination; a name ends with the values that were given as a list or a range.

    key: what the configuration calls them, for messages.
    """
    axes: list[tuple[str, str, list[Value], bool]] = []
    for quantity in QUANTITIES:
        by_role = settings.get(quantity, {})
        if "all" in by_role and len(by_role) > 1:
            raise ConfigError(
                f"{key}.{quantity}: 'all' beside {', '.join(sorted(set(by_role) - {'all'}))}: "
                f"expected either one value for all roles or one for each"
            )
        for role, value in by_role.items():
            values, many = _values(key, value)
            axes.append((quantity, role, values, many))
    for combination in product(*(values for _, _, values, _ in axes)):
        chosen: dict[str, dict[str, Any]] = {quantity: {} for quantity in ASKED}
        for (quantity, role, _, _), value in zip(axes, combination, strict=True):
            of_roles = ROLES if role == "all" else (role,)
            chosen[quantity] |= dict.fromkeys(of_roles, value.setting)
            if value.low is not None:
                chosen["sm_clock_min_mhz"] |= dict.fromkeys(of_roles, value.low)
        suffix = [value.in_names for (_, _, _, many), value in zip(axes, combination, strict=True) if many]
        yield OperatingPoint("-".join([name, *suffix]), **chosen)


def _values(key: str, given: Any) -> tuple[list[Value], bool]:
    """Return the values that are meant, rising, and whether there may be several, which then bear them in their names.

    Ranges `low..high/step` are written out (high included where a step reaches it); `..high` and `{max: high}` are one
    ceiling, which the clock may stay under.
    """
    if isinstance(given, Mapping):
        low = given.get("min", LOWEST)
        highs, many = _values(key, given["max"])
        if any(high.setting < low for high in highs):
            raise ConfigError(f"{key}: {dict(given)}: expected min <= max")
        return [high if high.setting == low else Value(high.setting, low) for high in highs], many
    if not isinstance(given, list):
        return [Value(given)], False
    found = {value for item in given for value in _written_out(key, item)}
    # Ceilings after locks, each rising: their lower ends are numbers, and those of locks are not.
    values = sorted(found, key=lambda value: (value.low is not None, value.setting))
    is_one_ceiling = len(given) == 1 and str(given[0]).startswith("..")  # `..1410` stands alone as `1410` does
    return values, not is_one_ceiling


def _written_out(key: str, item: Any) -> Iterator[Value]:
    if not isinstance(item, str):
        yield Value(item)
    elif item.startswith(".."):
        yield Value(int(item.removeprefix("..")), LOWEST)
    elif ".." not in item:
        yield Value(int(item))
    else:
        bounds, step = item.split("/")
        low, high = (int(bound) for bound in bounds.split(".."))
        if low > high:
            raise ConfigError(f"{key}: range {item!r}: expected low..high/step with low <= high")
        yield from (Value(setting) for setting in range(low, high + 1, int(step)))
