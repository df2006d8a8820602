"""One idle window for two neighbouring cells: it comes after the load of the first, and before that of the second.

Nothing runs in it, on the same servers at the same operating point. Each cell keeps a raw folder that stands for
itself: the readings of the window are in both, and run.json of the second names the first.
"""

from dataclasses import dataclass
from pathlib import Path

from llmdvfs.benchmark.task import CellTask
from llmdvfs.clock import NS_PER_S
from llmdvfs.records import raw
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record
from llmdvfs.records.telemetry_line import parse_reading

MARGIN_NS = NS_PER_S // 2  # of readings before the window, so that its begin lies between two of them


@dataclass(frozen=True, slots=True)
class SharedIdle:
    """The idle window after a cell, as the cell after it takes it over."""

    key: str
    """Of the cell that it was measured after."""
    window: tuple[int, int]
    """Begin and end [mono ns]."""
    started_unix_s: float
    started_mono_ns: int
    """Where the readings begin that are taken over: the start of the cell that takes them."""
    telemetry: Path


def idle_to_share(task: CellTask, neighbour: Path) -> SharedIdle | None:
    """Return the idle window that a cell may take over from its neighbour; None where it has to measure its own.

    neighbour: raw folder of the cell measured just before it, on the same servers. A cell that is soaked, or that has
    another operating point, shares none; nor does one of several hosts, whose readings lie in files of their own.
    """
    settings = task.job.settings
    if not settings.share_idle or settings.soak is not None or task.launch.deployment.hosts:
        return None
    run = read_record(neighbour / raw.RUN, RunRecord)
    if run.idle_after is None or run.point != task.point:
        return None
    begin = run.idle_after[0] - MARGIN_NS
    started_unix_s = run.started_unix_s + (begin - run.started_mono_ns) / NS_PER_S
    return SharedIdle(run.key, run.idle_after, started_unix_s, begin, neighbour / raw.TELEMETRY)


def take_readings(shared: SharedIdle, telemetry: Path) -> None:
    """Put the neighbour's readings of the shared window before those of the cell's own telemetry file."""
    header, *own = telemetry.read_bytes().splitlines(keepends=True)
    lines = shared.telemetry.read_bytes().splitlines(keepends=True)[1:]
    taken = [line for line in lines if parse_reading(line).begin_mono_ns >= shared.started_mono_ns]
    telemetry.write_bytes(b"".join((header, *taken, *own)))
