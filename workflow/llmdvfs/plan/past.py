"""What earlier cells of a results folder took: time, power and room, for forecasts of further ones."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

from llmdvfs.clock import NS_PER_S
from llmdvfs.errors import MISREAD
from llmdvfs.records.places import RAW, RUN

MAX_READ = 3  # earlier cells of a workload that are asked


@dataclass(frozen=True, slots=True)
class PastCell:
    """What one cell took, or the median of several; None: it does not tell."""

    took_s: float | None = None
    """From its begin to the end of its last idle window."""
    load_s: float | None = None
    """Of that, under load."""
    start_s: float | None = None
    """Until the slowest of its servers was ready."""
    load_power_w: float | None = None
    """Mean over the window, of all devices of the deployment ..."""
    idle_power_w: float | None = None
    """... and of the same loaded and idle."""
    num_bytes: float | None = None
    """On the disk: raw files and what was made of them."""


def typical(cells: Iterable[PastCell]) -> PastCell:
    """Return the medians of what the cells tell; of none, a cell that tells nothing."""
    known = list(cells)
    return PastCell(**{item.name: _median(known, item.name) for item in fields(PastCell)})


def past_cells(results: Path, deployment: str, workload: str) -> list[PastCell]:
    """Return the latest cells of a workload on a deployment, up to MAX_READ of them."""
    found = sorted((results / "cells" / deployment / workload).glob(f"*/launch-*/{RAW}/{RUN}"))[-MAX_READ:]
    return [_past_cell(path) for path in found]


def _median(cells: Iterable[PastCell], name: str) -> float | None:
    told = [value for cell in cells if (value := getattr(cell, name)) is not None]
    return median(told) if told else None


def _past_cell(run: Path) -> PastCell:
    """Return what a run.json and the result.json beside its raw folder tell; damaged ones tell nothing."""
    cell = run.parents[1]
    told, result = _content(run), _content(cell / "result.json")
    energy = _part(result, "energy")
    return PastCell(
        took_s=_length_s(told, "started_mono_ns"),
        load_s=_length_s(told, "load_begin_mono_ns", idle_after=False),
        start_s=max(_numbers(_part(told, "server_start").get("instances"), "startup_s"), default=None),
        load_power_w=_number(energy.get("mean_power_w")),
        idle_power_w=_idle_power_w(energy.get("devices")),
        num_bytes=float(sum(path.stat().st_size for path in _files(cell))) or None,
    )


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, *MISREAD):
        return {}
    return content if isinstance(content, dict) else {}


def _part(content: dict[str, Any], name: str) -> dict[str, Any]:
    part = content.get(name)
    return part if isinstance(part, dict) else {}


def _length_s(told: dict[str, Any], begin: str, *, idle_after: bool = True) -> float | None:
    """Return the time from a stamp of run.json to the end of the idle window after the load, or of the load itself."""
    try:
        window = told.get("idle_after") if idle_after else None
        return float((window[1] if window else told["load_end_mono_ns"]) - told[begin]) / NS_PER_S
    except (KeyError, TypeError, IndexError):
        return None


def _idle_power_w(devices: Any) -> float | None:
    """Return the sum over the devices that serve somebody; None where one of them does not tell."""
    listed = devices if isinstance(devices, list) else []
    in_use = [device for device in listed if isinstance(device, dict) and device.get("role") is not None]
    told = _numbers(in_use, "idle_power_w")
    return sum(told) if told and len(told) == len(in_use) else None


def _numbers(items: Any, name: str) -> list[float]:
    listed = items if isinstance(items, list) else []
    return [value for item in listed if isinstance(item, dict) and (value := _number(item.get(name))) is not None]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _files(cell: Path) -> Iterator[Path]:
    """Yield the files of a cell; its folder's link to run.json is none, and `raw` is followed."""
    for folder in (cell, cell / RAW):
        yield from (path for path in folder.glob("*") if path.is_file() and not path.is_symlink())
