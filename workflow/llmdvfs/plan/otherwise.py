"""How cells that are missing were measured before: which settings are not as the configuration has them now."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from llmdvfs.errors import MISREAD
from llmdvfs.plan.identity import StudyIdentities
from llmdvfs.plan.study import Study
from llmdvfs.records.places import IDENTITY, cell_folder, measured_links
from llmdvfs.records.spec import CellId

MAX_NAMED = 4
MAX_VALUE = 60  # characters
KEYS = {
    "settings.interval_s": "telemetry.interval_s",
    "settings.counter_interval_s": "telemetry.counter_interval_s",
    "settings.": "measure.",
    "deployment.engine.": "serving.engine.",
}
"""Parts of an identity by the keys of the configuration that they come from; the first that fits."""


def measured_otherwise(study: Study, missing: Iterable[CellId]) -> str | None:
    """Return in words what sets the measurements apart that these cells' folders hold; None: they hold none."""
    identities, num_cells, named = StudyIdentities(study), 0, dict[str, None]()
    for cell in missing:
        before = _recorded(cell_folder(study.results, cell))
        if before is not None:
            num_cells += 1
            named |= dict.fromkeys(_differences(cell, before, identities.identity(cell)))
    if not named:
        return None
    shown = list(named)[:MAX_NAMED] + ([f"and {len(named) - MAX_NAMED} more"] if len(named) > MAX_NAMED else [])
    cells = "1 cell was" if num_cells == 1 else f"{num_cells} cells were"
    return f"{cells} measured before, and not as the configuration asks now: {'; '.join(shown)}"


def _recorded(folder: Path) -> dict[str, Any] | None:
    """Return the identity of the measurement that a cell's folder leads to; None: none that can be read."""
    for link in measured_links(folder):
        try:
            identity = json.loads((link.resolve().parent / IDENTITY).read_bytes())
        except (OSError, *MISREAD):
            continue
        return identity if isinstance(identity, dict) else None
    return None


def _differences(cell: CellId, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield `key: value then, value now` for every setting that differs."""
    then, today = (dict(_leaves(identity)) for identity in (before, json.loads(json.dumps(now))))
    for key in sorted(then.keys() | today.keys()):
        if then.get(key) != today.get(key):
            yield f"{_named(cell, key)}: {_shown(then, key)} then, {_shown(today, key)} now"


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, own in value.items():
            yield from _leaves(own, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def _named(cell: CellId, key: str) -> str:
    if key.startswith("workload."):
        return f"workloads.{cell.workload}.{key.removeprefix('workload.')}"
    fitting = next((part for part in KEYS if key.startswith(part)), "")
    return KEYS.get(fitting, "") + key.removeprefix(fitting)


def _shown(values: Mapping[str, Any], key: str) -> str:
    text = json.dumps(values[key], ensure_ascii=False) if key in values else "not there"
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}..."
