"""Whether the clocks of a deployment's hosts are known well enough to say what a role did when (docs/hosts.md#time).

Requests and proxy stamps are of the measuring host's clock, readings of the host's own that they were taken on. A
reading is misplaced by the clock line's bound at most; at both edges of a phase that much of it may be told as another.
"""

from itertools import groupby
from statistics import median

from llmdvfs.analysis.axis.occupancy import Occupancy, occupancy_of
from llmdvfs.records.device_id import host_of
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import DeviceRole

MAX_BOUND_FRACTION = 0.05
"""Of the shortest phase: with one at each edge no more than a tenth of it is told as another phase."""


def clock_untold(run: RunRecord, phases: PhasesRecord) -> dict[str, str]:
    """Return role -> why its devices' readings cannot be told by phase; a role that is not in it can be."""
    bounds_s = {host.name: host.clock.bound_ns / 1e9 for host in run.hosts if host.clock is not None}
    untold: dict[str, str] = {}
    for role in dict.fromkeys(phases.device_roles.values()):
        own = {host: bounds_s[host] for host in _hosts_of(role, phases) if host in bounds_s}
        shortest_s = shortest_phase_s(occupancy_of(phases, role)) if own else None
        if shortest_s is None:
            continue
        worst = max(own, key=lambda host: own[host])
        if own[worst] > MAX_BOUND_FRACTION * shortest_s:
            untold[role] = (
                f"the clock of {worst} is known to {own[worst] * 1e3:.2g} ms, and the shortest phase of {role} takes "
                f"{shortest_s * 1e3:.2g} ms: expected {MAX_BOUND_FRACTION:.0%} of that at most"
            )
    return untold


def _hosts_of(role: DeviceRole, phases: PhasesRecord) -> list[str]:
    hosts = (host_of(device) for device, its_role in phases.device_roles.items() if its_role == role)
    return [host for host in hosts if host is not None]


def shortest_phase_s(occupancy: Occupancy) -> float | None:
    """Return the median length of that phase's stretches whose median is shortest, idle times apart; None: no phase."""
    lengths_s: dict[str, list[float]] = {}
    for phase, pieces in groupby(range(len(occupancy.phase)), key=lambda i: occupancy.phase[i]):
        own = list(pieces)
        if phase != "idle":
            length_s = float(occupancy.edge_s[own[-1] + 1] - occupancy.edge_s[own[0]])
            lengths_s.setdefault(phase, []).append(length_s)
    return min((median(lengths) for lengths in lengths_s.values()), default=None)
