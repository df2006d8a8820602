"""Finds which workloads are one sweep over batch sizes, and names it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from llmdvfs.records.spec import SloSpec, WorkloadSpec


def sweep_names(workloads: Iterable[WorkloadSpec]) -> dict[str, str]:
    """Return id of a workload -> name of its sweep: the sweep's first id without the number at its end.

    The id of a workload outside the sweep is never its name: `decode` beside `decode-8` and `decode-16` stays apart
    from them where it asks something else.
    """
    members: dict[str, set[str]] = defaultdict(set)
    for workload in workloads:
        members[repr(_without_batch(workload))].add(workload.id)
    everybody = set().union(*members.values())
    sweeps: dict[str, str] = {}
    for ids in members.values():
        name = min(ids).rstrip("0123456789").rstrip("-_.") if len(ids) > 1 else ""
        taken = not name or name in sweeps.values() or name in everybody - ids
        sweeps |= dict.fromkeys(ids, min(ids) if taken else name)
    return sweeps


def _without_batch(workload: WorkloadSpec) -> WorkloadSpec:
    """Return what is left of a workload when batch size, length of the run and limits do not count."""
    arrival = replace(workload.arrival, concurrency=None, wave_sizes=())
    alike = replace(workload, num_requests=None, duration_s=None, min_requests=None, max_duration_s=None)
    return replace(alike, id="", arrival=arrival, num_warmup_requests=0, slo=SloSpec())
