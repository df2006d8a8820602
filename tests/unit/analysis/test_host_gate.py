"""The gate on the host's other work."""

from llmdvfs.analysis.gates.host import host_quiet
from llmdvfs.analysis.gates.limits import GateLimits
from llmdvfs.records.run import OthersCpu


def test_a_busy_neighbour_marks_the_cell_and_is_named() -> None:
    """Cells that were 2-8 times slower beside a build passed every gate: nothing looked at the host's CPUs."""
    load = OthersCpu(0.45, 2, ("cc1plus (4711) 0.85 CPUs",))
    gate = host_quiet(OthersCpu(0.5, 2, ()), load, GateLimits())
    assert gate.status == "failed"
    assert gate.seen == "45% of 2 CPUs under load: cc1plus (4711) 0.85 CPUs; 50% before it"


def test_a_quiet_host_passes_and_an_older_run_is_not_judged() -> None:
    assert host_quiet(None, OthersCpu(0.04, 2, ()), GateLimits()).status == "passed"
    assert host_quiet(None, None, GateLimits()).status == "not_applicable"
