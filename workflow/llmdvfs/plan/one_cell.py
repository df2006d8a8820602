"""A configuration cut down to one deployment at one workload and operating point, to measure that again."""

from collections.abc import Mapping
from typing import Any

from llmdvfs.errors import ConfigError
from llmdvfs.plan.study import Study
from llmdvfs.records.comparison_file import StoredCell
from llmdvfs.records.point import OperatingPoint


def only_cell(
    config: Mapping[str, Any], study: Study, cell: StoredCell, *, results: str, launches: int
) -> dict[str, Any]:
    """Return the configuration that measures the cell alone, into a results folder of its own.

    config: complete, and study: what was made of it. Raises ConfigError for a cell that the study does not have.
    """
    if (
        cell.deployment not in study.deployments
        or cell.workload not in study.workloads
        or cell.point not in study.points
    ):
        raise ConfigError(
            f"{cell}: not a cell of this study: expected one of {', '.join(study.deployments)} / "
            f"{', '.join(study.workloads)} / {', '.join(study.points)}"
        )
    model = study.deployments[cell.deployment].model.name
    return {
        **config,
        "results": results,
        "launches": launches,
        "architectures": [cell.deployment.removesuffix(f"_{model}")],
        "models": {model: config["models"][model]},
        "workloads": {cell.workload: config["workloads"][cell.workload]},
        "operating_points": {cell.point: _settings(study.points[cell.point])},
        "core_clocks": [],
        "baseline": None,
        "search": None,
        "sequential": None,
    }


def _settings(point: OperatingPoint) -> dict[str, Any]:
    """Return what the point asks, as a configuration writes it; quantities that it leaves alone are not in it."""
    clocks: dict[str, Any] = {
        role: {"min": point.sm_clock_min_mhz[role], "max": clock} if role in point.sm_clock_min_mhz else clock
        for role, clock in point.sm_clock_mhz.items()
    }
    asked: dict[str, Mapping[str, Any]] = {
        "sm_clock_mhz": clocks,
        "memory_clock_mhz": point.memory_clock_mhz,
        "power_limit_w": point.power_limit_w,
    }
    return {name: dict(values) for name, values in asked.items() if values}
