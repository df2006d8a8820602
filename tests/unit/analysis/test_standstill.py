"""A client that stood still: Ctrl-Z for 4 s made E2E p99 3.2 s of 0.2 s, "steady", and no gate said a word."""

from dataclasses import replace

import pytest

from llmdvfs.analysis.gates.standstill import client_standstill
from llmdvfs.records.load import LoadReport
from llmdvfs.records.result import Window

NS = 1_000_000_000
STARTED = 100 * NS
WINDOW = Window(10.0, 20.0, "steady", "")  # so from 110 s to 120 s of the clock
REPORT = LoadReport(
    105 * NS, 125 * NS, 10, 0, {"ok": 10}, None, 1, 1, 40, 400, 0.001, 0.001, 0.1, 0.1, 1, None, (), 0.0
)


def test_a_client_that_never_stood_still_passes() -> None:
    gate = client_standstill(REPORT, WINDOW, STARTED)
    assert (gate.status, gate.seen) == (
        "passed",
        "0 standstills, the longest 0.00 s; host suspended for 0.00 s",
    )


@pytest.mark.parametrize(
    ("begin_s", "end_s", "status"),
    [
        (115, 119, "failed"),
        (109, 111, "failed"),  # over the window's edge
        (105, 109, "passed"),  # before the window
        (121, 124, "passed"),  # behind it
        (115, 115.2, "passed"),  # a fifth of a second
        (115, 115.21, "failed"),
    ],
)
def test_a_standstill_counts_where_it_overlaps_the_window(begin_s: float, end_s: float, status: str) -> None:
    stood = (round(begin_s * NS), round(end_s * NS))
    gate = client_standstill(replace(REPORT, standstill_mono_ns=(stood,)), WINDOW, STARTED)
    assert gate.status == status


def test_a_host_that_was_suspended_fails() -> None:
    gate = client_standstill(replace(REPORT, suspended_s=30.0), WINDOW, STARTED)
    assert gate.status == "failed"
    assert "host suspended for 30.00 s" in gate.seen


def test_a_load_that_was_measured_before_this_was_recorded_is_not_judged() -> None:
    for report in (None, replace(REPORT, standstill_mono_ns=None)):
        assert client_standstill(report, WINDOW, STARTED).status == "not_applicable"
