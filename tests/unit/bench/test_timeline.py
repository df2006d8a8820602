"""Where the seconds of a study went: two neighbouring cells of one start, by hand."""

import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[3] / "bench" / "study"
sys.path.insert(0, str(BENCH))
from timeline import jobs, parts_of  # noqa: E402

sys.path.remove(str(BENCH))


def cell(started_s: float, rest: tuple[float, float], load: tuple[float, float], after: tuple[float, float]) -> Any:
    """Return what run.json says of a cell; seconds on the monotonic clock, which is 1000 s behind the wall's."""
    ns = [int(second * 1e9) for second in (started_s, *rest, *load, *after)]
    return {
        "server_start": {"started_unix_s": 1000.0, "instances": [{"startup_s": 9.0}, {"startup_s": 10.0}]},
        "started_unix_s": 1000.0 + started_s,
        "started_mono_ns": ns[0],
        "idle_before": ns[1:3],
        "load_begin_mono_ns": ns[3],
        "load_end_mono_ns": ns[4],
        "idle_after": ns[5:7],
    }


def test_a_window_that_two_cells_share_is_counted_once() -> None:
    """Ready after 10 s, 1.5 s until the first window; 2 + 1 s of warm-up; half a second after each load."""
    first = cell(11.2, rest=(11.5, 12.5), load=(14.5, 20.5), after=(21, 22))
    second = cell(20.5, rest=(21, 22), load=(23, 31), after=(31.5, 32.5))
    assert parts_of([second, first]) == pytest.approx(
        {
            "start of the servers": 10.0,
            "first answers": 1.5,
            "rest": 3.0,
            "warm-up": 3.0,
            "load": 14.0,
            "after the load": 1.0,
        }
    )


def test_jobs_by_snakemakes_log() -> None:
    log = """\
[Sat Nov 28 09:25:58 2026]
localrule benchmark_single_tiny_launch_1:
    jobid: 1
[Sat Nov 28 09:27:11 2026]
Finished jobid: 1 (Rule: benchmark_single_tiny_launch_1)
"""
    ((rule, begin, end),) = jobs(log)
    assert rule == "benchmark_single_tiny_launch_1"
    assert (end - begin).total_seconds() == 73
