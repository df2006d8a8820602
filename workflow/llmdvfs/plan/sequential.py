"""How many launches a study with `sequential` has: as its configuration says at first, then as was decided."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmdvfs.errors import ConfigError
from llmdvfs.records.compared import METRICS, MIN_CLAIM_LAUNCHES
from llmdvfs.records.places import added_launches_file
from llmdvfs.records.sequential import SequentialRecord, SequentialSettings
from llmdvfs.records.store import read_record


def sequential_settings(config: Mapping[str, Any]) -> SequentialSettings | None:
    """Return what a complete configuration asks of its intervals; None: it has as many launches as it says.

    Raises ConfigError for metrics that are none, for too few launches to begin with, and beside a search, which
    decides its own launches.
    """
    given = config["sequential"]
    if given is None:
        return None
    if config["search"] is not None:
        raise ConfigError("sequential: expected null beside `search`, which decides its launches by itself")
    unknown = [name for name in given["metrics"] if name not in METRICS]
    if unknown:
        raise ConfigError(f"sequential.metrics: {unknown[0]!r}: expected names among {', '.join(METRICS)}")
    if config["launches"] < MIN_CLAIM_LAUNCHES:
        raise ConfigError(
            f"launches: {config['launches']}: expected {MIN_CLAIM_LAUNCHES} or more beside `sequential`: two launches "
            "that agree by chance would end it"
        )
    if given["max_launches"] < config["launches"]:
        raise ConfigError(
            f"sequential.max_launches: {given['max_launches']}: expected launches, {config['launches']}, or more"
        )
    return SequentialSettings(given["half_width_fraction"], given["max_launches"], tuple(given["metrics"]))


def decided_launches(results: Path, settings: SequentialSettings, num_launches: int) -> int:
    """Return how many launches a study has: as its configuration says, or as were decided, within the settings.

    results: the study's results folder.
    """
    file = added_launches_file(results)
    decided = read_record(file, SequentialRecord).num_launches if file.exists() else 0
    return min(max(num_launches, decided), settings.max_launches)
