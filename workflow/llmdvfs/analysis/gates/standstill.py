"""The gate on standstills of the client: a pause of the instrument must not become the server's latency."""

from llmdvfs.analysis.gates.verdict import not_applicable, verdict
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.load import LoadReport
from llmdvfs.records.result import Gate, Window

MAX_STANDSTILL_S = 0.2  # longest single one: tokens that came meanwhile are stamped late by up to so much
MIN_SUSPENSION_S = 0.001  # two clocks are read one after the other: less is no suspension


def client_standstill(report: LoadReport | None, window: Window, started_mono_ns: int) -> Gate:
    """Judge whether the client, or the whole host, stood still while the window was measured.

    report: the load's own; None, or one without this record, where an older client wrote it. window: in seconds from
    started_mono_ns. A standstill counts where it overlaps the window; a suspension of the host counts anywhere.
    """
    expected = f"no standstill of the client over {MAX_STANDSTILL_S:g} s in the window, no suspension of the host"
    if report is None or report.standstill_mono_ns is None:
        return not_applicable("client_standstill", "the client did not record its standstills", expected=expected)
    begin_ns, end_ns = (started_mono_ns + round(edge_s * NS_PER_S) for edge_s in (window.begin_s, window.end_s))
    lengths_s = [
        (end - begin) / NS_PER_S for begin, end in report.standstill_mono_ns if begin < end_ns and end > begin_ns
    ]
    longest_s, suspended_s = max(lengths_s, default=0.0), report.suspended_s or 0.0
    seen = f"{len(lengths_s)} standstills, the longest {longest_s:.2f} s; host suspended for {suspended_s:.2f} s"
    return verdict(
        "client_standstill",
        longest_s <= MAX_STANDSTILL_S and suspended_s < MIN_SUSPENSION_S,
        seen=seen,
        expected=expected,
        remedy="measure again, and let nothing stop the run (Ctrl-Z, a debugger, a suspended or paused machine)",
    )
