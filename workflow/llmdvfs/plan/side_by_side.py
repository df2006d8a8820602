"""Deployments of one study measured at once, on GPUs of their own: which launches, and how many fit on a host.

Every fourth launch, the first among them, is measured alone: against these the comparison tells whether neighbours
disturbed the others (comparison/neighbours.py).
"""

from collections.abc import Iterable
from math import ceil

from llmdvfs.errors import ConfigError
from llmdvfs.records.job import MeasureSettings
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.spec import Device

ALONE_EVERY = 4


def is_beside(settings: MeasureSettings, launch: int) -> bool:
    """Return whether a launch, counted from 1, is measured while neighbours compute on other GPUs."""
    return settings.side_by_side and (launch - 1) % ALONE_EVERY != 0


def share_of_cores(num_cores: int, num_gpus: int, num_gpus_of_host: int) -> int:
    """Return the cores that a launch asks Snakemake for: by its share of the GPUs, rounded up.

    So the launches that Snakemake runs at once never need more GPUs than there are.
    """
    return max(1, ceil(num_cores * num_gpus / num_gpus_of_host))


def check_side_by_side(
    settings: MeasureSettings, device: Device, gpus: Iterable[int] | None, points: Iterable[OperatingPoint]
) -> None:
    """Raise ConfigError where a study may not be measured side by side."""
    if not settings.side_by_side:
        return
    if device != "cuda":
        raise ConfigError(
            f"measure.side_by_side: true: expected device cuda, not {device}: deployments on CPUs share them"
        )
    if gpus is None:
        raise ConfigError(
            "measure.side_by_side: true: expected serving.gpus to name the GPUs of this host, as in [0, 1, 2, 3]: how "
            "many launches fit at once follows from it"
        )
    if (asking := next((point.id for point in points if point.asks_for_something), None)) is not None:
        raise ConfigError(
            f"measure.side_by_side: true: expected stock alone, and operating point {asking!r} sets clocks or limits: "
            "a launch that begins takes back what others have set"
        )
