"""What the configuration says of a search: the clocks to look among, and when to end."""

from collections.abc import Iterable, Mapping
from typing import Any

from llmdvfs.errors import ConfigError
from llmdvfs.plan.points import ROLES
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.search import ClockRange, SearchSettings
from llmdvfs.records.spec import DeploymentSpec


def search_settings(
    config: Mapping[str, Any], points: Iterable[OperatingPoint], deployments: Iterable[DeploymentSpec]
) -> SearchSettings | None:
    """Return what a complete configuration asks of its search; None: its points are listed.

    Raises ConfigError for ranges that are none, for roles without one, and where points are listed beside a search.
    """
    given = config["search"]
    if given is None:
        return None
    listed = [point.id for point in points if point.asks_for_something]
    if listed:
        raise ConfigError(
            f"operating_points.{listed[0]}: asks for something beside `search`, which decides the points: expected "
            "points that ask for nothing, such as `stock: {}`; give listed points a study of their own"
        )
    if config["device"] != "cuda":
        raise ConfigError(f"search: core clocks need device: cuda, not {config['device']!r}; leave it out")
    by_role = given["sm_clock_mhz"]
    if "all" in by_role and len(by_role) > 1:
        raise ConfigError("search.sm_clock_mhz: 'all' beside other roles: expected one range for all, or one for each")
    ranges = {role: _range(text) for name, text in by_role.items() for role in (ROLES if name == "all" else (name,))}
    missing = [f"{role} of {spec.id}" for spec in deployments for role in spec.engine if role not in ranges]
    if missing:
        raise ConfigError(
            f"search.sm_clock_mhz: no range for {', '.join(missing)}: expected one for each role, or `all`"
        )
    return SearchSettings(ranges, given["target_regret_fraction"], given["max_cells"])


def _range(text: str) -> ClockRange:
    bounds, step = text.split("/")
    low, high = map(int, bounds.split(".."))
    if low >= high:
        raise ConfigError(f"search.sm_clock_mhz: range {text!r}: expected low..high/step with low < high")
    return ClockRange(low, high, int(step))
