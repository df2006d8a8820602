"""The gate on other work of the host: a busy neighbour slows servers, client and sampler at once."""

from llmdvfs.analysis.gates.limits import GateLimits
from llmdvfs.analysis.gates.verdict import not_applicable, verdict
from llmdvfs.records.result import Gate
from llmdvfs.records.run import OthersCpu


def host_quiet(idle: OthersCpu | None, load: OthersCpu | None, limits: GateLimits) -> Gate:
    """Judge whether others left the host's CPUs to the measurement under load; what they took while idle is told too.

    idle, load: what others took; None: not recorded.
    """
    name, expected = "host_quiet", f"others took at most {limits.max_others_cpu_fraction:.0%} of the host's CPUs"
    if load is None:
        return not_applicable(name, "the CPU time of others was not recorded", expected=expected)
    largest = f": {', '.join(load.largest)}" if load.largest else ""
    before = "" if idle is None else f"; {idle.fraction:.0%} before it"
    seen = f"{load.fraction:.0%} of {load.num_cpus} CPUs under load{largest}{before}"
    remedy = "end what else runs on this host (its largest are named), or measure when it is quiet"
    return verdict(name, load.fraction <= limits.max_others_cpu_fraction, seen=seen, expected=expected, remedy=remedy)
