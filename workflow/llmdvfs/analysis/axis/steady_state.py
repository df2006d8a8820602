"""Finds the steady window of a load from the load's own data (docs/metrics.md#steady-state)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.axis.stall import find_stall
from llmdvfs.analysis.axis.trend import trend
from llmdvfs.analysis.chunks import chunks_of
from llmdvfs.arrivals.table import arrival_kind
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import Window
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import WorkloadSpec

HELD_FRACTION = 0.9  # mean requests in flight / configured concurrency; the rest is the turn-round of the places
MIN_REQUESTS = 10  # requests that begin and end inside the window
MIN_BINS, MAX_BINS = 8, 20  # of the throughput series that is tested, but for waves
MIN_TOKENS_PER_BIN = 2
MIN_WAVES = 5  # of as many requests as there are places: fewer show no trend
SIGNIFICANCE = 0.05
MAX_DRIFT_FRACTION = 0.1  # a trend that changes the throughput by less over the whole window changes no conclusion
MAX_POSSIBLE_DRIFT_FRACTION = 0.3  # upper end of the drift's 90 % interval; beyond, too few data show nothing
MAX_POSSIBLE_DRIFT_AFTER_CUT_FRACTION = 0.15  # where the whole span had a trend, its rest has to show that it has none
MAX_IN_FLIGHT_DRIFT_FRACTION = 0.5  # in an open loop; a queue wanders, but one that grows without end doubles
CUTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # of the span's begin, as in the procedure of Heidelberger and Welch (1983)


@dataclass(frozen=True, slots=True)
class _Series:
    """The load on the time axis t_s; the first four arrays have one value a request, in the order of the schedule."""

    scheduled_s: npt.NDArray[np.float64]
    sent_s: npt.NDArray[np.float64]
    first_s: npt.NDArray[np.float64]
    """First token, or the end where there was none."""
    end_s: npt.NDArray[np.float64]
    token_s: npt.NDArray[np.float64]
    token_nums: npt.NDArray[np.int64]


def find_window(requests: Sequence[RequestRecord], workload: WorkloadSpec, started_mono_ns: int) -> Window:
    """Return the steady window of a load, in seconds since started_mono_ns.

    requests: all of the load, in any order; those that were never sent, or never ended, are left out. Where no part of
    the load is steady, the window is the whole load from the first schedule to the last end, and its reason says what
    was missing. No error is raised: a load without a steady state is a result too, and a gate marks it.
    """
    series = _series(requests, started_mono_ns)
    if series.sent_s.size == 0:
        return Window(0.0, 0.0, "whole", "no request was sent")
    found = arrival_kind(workload.arrival.kind).never_steady or _steady_window(series, workload)
    if isinstance(found, Window):
        return found
    return Window(float(series.scheduled_s.min()), float(series.end_s.max()), "whole", found)


def cell_window(run: RunRecord, requests: Sequence[RequestRecord]) -> Window:
    """Return a cell's window in seconds since its start: found from the load, or for a sweep's step as it was set.

    requests: as for find_window; of a step, those that were scheduled or in flight in its window.
    """
    if run.under_load is None:
        return find_window(requests, run.workload, run.started_mono_ns)
    begin_s, end_s = ((instant - run.started_mono_ns) / NS_PER_S for instant in run.under_load.window_mono_ns)
    if not run.under_load.is_settled:
        return Window(begin_s, end_s, "whole", f"the operating point had not settled: {run.under_load.settled_by}")
    reason, is_steady = _judge(_series(requests, run.started_mono_ns), (begin_s, end_s), run.workload, is_cut=False)
    return Window(
        begin_s, end_s, "steady" if is_steady else "whole", f"{reason}; under load: {run.under_load.settled_by}"
    )


def _series(requests: Sequence[RequestRecord], started_mono_ns: int) -> _Series:
    finished = sorted(
        (r for r in requests if r.sent_mono_ns is not None and r.end_mono_ns is not None),
        key=lambda r: (r.scheduled_mono_ns, r.index),
    )

    def seconds(instants: Iterable[int | None]) -> npt.NDArray[np.float64]:
        # None is not among those of requests that were sent and ended
        return (np.fromiter(cast("Iterable[int]", instants), dtype=np.int64) - started_mono_ns) / NS_PER_S

    chunks = chunks_of(finished)
    return _Series(
        scheduled_s=seconds(r.scheduled_mono_ns for r in finished),
        sent_s=seconds(r.sent_mono_ns for r in finished),
        first_s=seconds(r.chunk_mono_ns[0] if r.chunk_mono_ns else r.end_mono_ns for r in finished),
        end_s=seconds(r.end_mono_ns for r in finished),
        token_s=(chunks.mono_ns - started_mono_ns) / NS_PER_S,
        token_nums=chunks.num_tokens,
    )


def _steady_window(series: _Series, workload: WorkloadSpec) -> Window | str:
    """Return the first part of the loaded span whose throughput has no trend, or why there is none."""
    begin_s, end_s = _loaded_span(series, workload)
    if end_s <= begin_s:
        return "the load ended before it was up: all requests were sent at once"
    reasons = []
    for cut in CUTS:
        part_s = (begin_s + cut * (end_s - begin_s), end_s)
        reason, is_steady = _judge(series, part_s, workload, is_cut=cut > 0)
        if is_steady:
            return Window(*part_s, "steady", f"{reason}; {cut:.0%} of the loaded span cut off at its begin")
        reasons.append(reason)
    return reasons[0]


def _loaded_span(series: _Series, workload: WorkloadSpec) -> tuple[float, float]:
    """Return the span between ramp-up and drain.

    Closed loop: from the first token of the last of the requests that fill the places, to the first end that no send
    follows. Open loop: from the first end, when requests begin to leave, to the last send.
    """
    last_send_s = float(series.sent_s.max())
    if arrival_kind(workload.arrival.kind).paced_by != "places":
        return float(series.end_s.min()), last_send_s
    begin_s = float(series.first_s[: workload.arrival.concurrency].max())
    return begin_s, float(series.end_s[series.end_s >= last_send_s].min())


def _judge(series: _Series, part_s: tuple[float, float], workload: WorkloadSpec, *, is_cut: bool) -> tuple[str, bool]:
    """Return what a part of the load shows, and whether it is steady."""
    begin_s, end_s = part_s
    num_requests = int(((series.scheduled_s >= begin_s) & (series.end_s <= end_s)).sum())
    if num_requests < MIN_REQUESTS:
        return f"only {num_requests} requests lived wholly between ramp-up and drain, {MIN_REQUESTS} are needed", False
    if arrival_kind(workload.arrival.kind).paced_by == "places" and workload.arrival.concurrency:
        held = _mean_in_flight(series, begin_s, end_s) / workload.arrival.concurrency
        if held < HELD_FRACTION:
            return f"only {held:.0%} of the concurrency was in flight on average, {HELD_FRACTION:.0%} is needed", False
    else:
        edges_s = np.linspace(begin_s, end_s, MAX_BINS + 1)
        in_flight = np.array([_mean_in_flight(series, low_s, high_s) for low_s, high_s in pairwise(edges_s)])
        found = trend(in_flight)
        if found.p_value < SIGNIFICANCE and abs(found.drift) > MAX_IN_FLIGHT_DRIFT_FRACTION:
            return f"requests in flight: {found}", False
    return _judge_throughput(series, begin_s, end_s, is_cut=is_cut)


def _judge_throughput(series: _Series, begin_s: float, end_s: float, *, is_cut: bool) -> tuple[str, bool]:
    """Look for a stall between the output tokens, and test their rate in equal bins for a trend."""
    inside = (series.token_s >= begin_s) & (series.token_s <= end_s)
    num_tokens = int(series.token_nums[inside].sum())
    num_bins = min(num_tokens // MIN_TOKENS_PER_BIN, MAX_BINS, _num_waves(series, begin_s, end_s) or MAX_BINS)
    if num_tokens < MIN_BINS * MIN_TOKENS_PER_BIN:
        return f"only {num_tokens} tokens came between ramp-up and drain, too few to test their rate for a trend", False
    if stall := find_stall(series.token_s[inside], begin_s, end_s):
        return stall, False
    found = trend(_tokens_in_bins(series, np.linspace(begin_s, end_s, num_bins + 1)))
    possible = MAX_POSSIBLE_DRIFT_AFTER_CUT_FRACTION if is_cut else MAX_POSSIBLE_DRIFT_FRACTION
    is_steady = (
        found.p_value >= SIGNIFICANCE or abs(found.drift) <= MAX_DRIFT_FRACTION
    ) and found.largest_drift <= possible
    return f"throughput in {num_bins} bins: {found}", is_steady


def _num_waves(series: _Series, begin_s: float, end_s: float) -> int | None:
    """Return how many mean lengths of a request the part holds; None below MIN_WAVES.

    Requests of one length that began together go on together: their tokens come in waves as long as a request. Bins
    shorter than a wave show its rise and fall, which says nothing of a trend.
    """
    inside = (series.scheduled_s >= begin_s) & (series.end_s <= end_s)
    waves = int((end_s - begin_s) / float(np.mean((series.end_s - series.sent_s)[inside])))
    return waves if waves >= MIN_WAVES else None


def _tokens_in_bins(series: _Series, edges_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the output tokens of each bin, those of a chunk spread over the time since the chunk before it.

    Whole tokens would jump by one where an edge lies just before or behind a token: ties and noise that the server has
    no part in.
    """
    order = np.argsort(series.token_s, kind="stable")
    return np.diff(np.interp(edges_s, series.token_s[order], np.cumsum(series.token_nums[order])))


def _mean_in_flight(series: _Series, begin_s: float, end_s: float) -> float:
    overlap_s = np.minimum(series.end_s, end_s) - np.maximum(series.sent_s, begin_s)
    return float(overlap_s[overlap_s > 0].sum()) / (end_s - begin_s)
