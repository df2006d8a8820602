"""How much of the time for which servers were held was measured load (docs/metrics.md#held-time)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from llmdvfs.clock import NS_PER_S
from llmdvfs.records.comparison import HeldTime
from llmdvfs.records.run import RunRecord


def held_time(runs: Iterable[RunRecord]) -> HeldTime | None:
    """Return the time from each start of servers to the end of its last cell, and how much of it was measured load.

    None: no server was started for any of these runs (somebody else's endpoint was measured).
    """
    by_start: dict[str, list[RunRecord]] = defaultdict(list)
    for run in runs:
        if run.server_start.instances:
            by_start[run.server_start.id].append(run)
    if not by_start:
        return None
    held = [(_num_gpus(own[0]), _held_s(own), sum(run.measured_load_s for run in own)) for own in by_start.values()]
    return HeldTime(
        num_starts=len(held),
        held_s=sum(held_s for _, held_s, _ in held),
        load_s=sum(load_s for _, _, load_s in held),
        gpu_held_s=sum(num_gpus * held_s for num_gpus, held_s, _ in held),
        gpu_load_s=sum(num_gpus * load_s for num_gpus, _, load_s in held),
    )


def _held_s(runs: Sequence[RunRecord]) -> float:
    return max(_ended_unix_s(run) for run in runs) - runs[0].server_start.started_unix_s


def _ended_unix_s(run: RunRecord) -> float:
    """Return when the last thing of a cell was recorded, its second idle window or the end of its load."""
    ends = [run.load_end_mono_ns, *(end for _, end in run.idle_windows_mono_ns)]
    return run.started_unix_s + (max(ends) - run.started_mono_ns) / NS_PER_S


def _num_gpus(run: RunRecord) -> int:
    return len({gpu for gpus in run.server_start.gpus_of_role().values() for gpu in gpus})
