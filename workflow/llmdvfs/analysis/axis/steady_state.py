"""The steady window of a load, found from its own data (docs/metrics.md#steady-state)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import stats

from llmdvfs.clock import NS_PER_S
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import Window
from llmdvfs.records.spec import WorkloadSpec

NEVER_STEADY = {
    "waves": "waves start and end the load again and again: there is no steady state to find",
    "ramp": "the rate of a ramp changes by design: there is no steady state to find",
}
HELD_FRACTION = 0.9  # mean requests in flight / configured concurrency; the rest is the turn-round of the places
MIN_REQUESTS = 10  # that live wholly in the window
MIN_BINS, MAX_BINS = 8, 20  # of the throughput series that is tested
MIN_TOKENS_PER_BIN = 2
SIGNIFICANCE = 0.05
MAX_DRIFT_FRACTION = 0.1  # a trend that changes the throughput by less over the whole window changes no conclusion
MAX_POSSIBLE_DRIFT_FRACTION = 0.3  # upper end of the drift's 90 % interval; beyond, too few data show nothing
MAX_POSSIBLE_DRIFT_AFTER_CUT_FRACTION = 0.15  # where the whole span had a trend, its rest has to show that it has none
STALL_FACTOR = 5.0  # x the median of the ten next longest gaps between tokens: no distribution of a load reaches it
MIN_STALL_FRACTION = 0.05  # of the window; a shorter stall changes the throughput by less than 5 %
NUM_NEIGHBOURS = 10
MAX_IN_FLIGHT_DRIFT_FRACTION = 0.5  # in an open loop; a queue wanders, but one that grows without end doubles
CUTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # of the span's begin, as in the procedure of Heidelberger and Welch (1983)


@dataclass(frozen=True, slots=True)
class _Series:
    """The load on the axis t_s; the first four have one value a request, in the order of the schedule."""

    scheduled_s: npt.NDArray[np.float64]
    sent_s: npt.NDArray[np.float64]
    first_s: npt.NDArray[np.float64]
    """First token, or the end where there was none."""
    end_s: npt.NDArray[np.float64]
    token_s: npt.NDArray[np.float64]
    token_nums: npt.NDArray[np.int64]


def find_window(requests: Sequence[RequestRecord], workload: WorkloadSpec, started_mono_ns: int) -> Window:
    """Return the steady window [s since started]; the whole load, with the reason, where there is none."""
    series = _series(requests, started_mono_ns)
    if series.sent_s.size == 0:
        return Window(0.0, 0.0, "whole", "no request was sent")
    found = NEVER_STEADY.get(workload.arrival.kind) or _steady_window(series, workload)
    if isinstance(found, Window):
        return found
    return Window(float(series.scheduled_s.min()), float(series.end_s.max()), "whole", found)


def _series(requests: Sequence[RequestRecord], started_mono_ns: int) -> _Series:
    finished = sorted(
        (r for r in requests if r.sent_mono_ns is not None and r.end_mono_ns is not None),
        key=lambda r: (r.scheduled_mono_ns, r.index),
    )

    def seconds(instants: Iterable[int | None]) -> npt.NDArray[np.float64]:
        return (np.fromiter((i for i in instants if i is not None), dtype=np.int64) - started_mono_ns) / NS_PER_S

    return _Series(
        scheduled_s=seconds(r.scheduled_mono_ns for r in finished),
        sent_s=seconds(r.sent_mono_ns for r in finished),
        first_s=seconds(r.chunk_mono_ns[0] if r.chunk_mono_ns else r.end_mono_ns for r in finished),
        end_s=seconds(r.end_mono_ns for r in finished),
        token_s=seconds(instant for r in finished for instant in r.chunk_mono_ns),
        token_nums=np.fromiter((num for r in finished for num in r.chunk_num_tokens), dtype=np.int64),
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
    if workload.arrival.kind != "closed":
        return float(series.end_s.min()), last_send_s
    begin_s = float(series.first_s[: workload.arrival.concurrency].max())
    return begin_s, float(series.end_s[series.end_s >= last_send_s].min())


def _judge(series: _Series, part_s: tuple[float, float], workload: WorkloadSpec, *, is_cut: bool) -> tuple[str, bool]:
    """Return what a part of the load shows, and whether it is steady."""
    begin_s, end_s = part_s
    num_requests = int(((series.scheduled_s >= begin_s) & (series.end_s <= end_s)).sum())
    if num_requests < MIN_REQUESTS:
        return f"only {num_requests} requests lived wholly between ramp-up and drain, {MIN_REQUESTS} are needed", False
    if workload.arrival.kind == "closed" and workload.arrival.concurrency:
        held = _mean_in_flight(series, begin_s, end_s) / workload.arrival.concurrency
        if held < HELD_FRACTION:
            return f"only {held:.0%} of the concurrency was in flight on average, {HELD_FRACTION:.0%} is needed", False
    else:
        edges_s = np.linspace(begin_s, end_s, MAX_BINS + 1)
        in_flight = np.array([_mean_in_flight(series, low_s, high_s) for low_s, high_s in pairwise(edges_s)])
        trend = _trend(in_flight)
        if trend.p_value < SIGNIFICANCE and abs(trend.drift) > MAX_IN_FLIGHT_DRIFT_FRACTION:
            return f"requests in flight: {trend}", False
    return _judge_throughput(series, begin_s, end_s, is_cut=is_cut)


def _judge_throughput(series: _Series, begin_s: float, end_s: float, *, is_cut: bool) -> tuple[str, bool]:
    """Look for a stall between the output tokens, and test their rate in equal bins for a trend."""
    inside = (series.token_s >= begin_s) & (series.token_s <= end_s)
    num_tokens = int(series.token_nums[inside].sum())
    num_bins = min(num_tokens // MIN_TOKENS_PER_BIN, MAX_BINS)
    if num_bins < MIN_BINS:
        return f"only {num_tokens} tokens came between ramp-up and drain, too few to test their rate for a trend", False
    if stall := _stall(series.token_s[inside], begin_s, end_s):
        return stall, False
    trend = _trend(_tokens_in_bins(series, np.linspace(begin_s, end_s, num_bins + 1)))
    possible = MAX_POSSIBLE_DRIFT_AFTER_CUT_FRACTION if is_cut else MAX_POSSIBLE_DRIFT_FRACTION
    is_steady = (
        trend.p_value >= SIGNIFICANCE or abs(trend.drift) <= MAX_DRIFT_FRACTION
    ) and trend.largest_drift <= possible
    return f"throughput in {num_bins} bins: {trend}", is_steady


def _tokens_in_bins(series: _Series, edges_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the output tokens of each bin, those of a chunk spread over the time since the chunk before it.

    Whole tokens would jump by one where an edge lies just before or behind a token: ties and noise that the server has
    no part in.
    """
    order = np.argsort(series.token_s, kind="stable")
    return np.diff(np.interp(edges_s, series.token_s[order], np.cumsum(series.token_nums[order])))


def _stall(token_s: npt.NDArray[np.float64], begin_s: float, end_s: float) -> str | None:
    """Return what is seen of a time without tokens far longer than all but a few others, None where there is none."""
    instants_s = np.concatenate(([begin_s], np.sort(token_s), [end_s]))
    gaps_s = np.diff(instants_s)
    if gaps_s.size <= NUM_NEIGHBOURS:
        return None
    longest = int(gaps_s.argmax())
    next_s = float(np.median(np.sort(gaps_s)[-NUM_NEIGHBOURS - 1 : -1]))
    gap_s = float(gaps_s[longest])
    if gap_s <= STALL_FACTOR * next_s or gap_s <= MIN_STALL_FRACTION * (end_s - begin_s):
        return None
    return (
        f"a stall: no token for {gap_s:.3g} s from {instants_s[longest]:.3g} s on, {gap_s / next_s:.3g} times the "
        f"median of the {NUM_NEIGHBOURS} next longest gaps"
    )


@dataclass(frozen=True, slots=True)
class _Trend:
    """Of a series: whether it has one, and how much it changes over its length, as a share of its mean."""

    p_value: float
    """Of Mann-Kendall's test, with its correction for ties."""
    drift: float
    """Least-squares slope times the length / mean. (Theil-Sen's median of slopes is 0 where most values are ties.)"""
    error: float
    """Half the 90 % interval of the drift."""

    @property
    def largest_drift(self) -> float:
        """The drift's absolute value that the series still allows, at 95 %."""
        return abs(self.drift) + self.error

    def __str__(self) -> str:
        return f"Mann-Kendall p = {self.p_value:.2g}, drift {self.drift:+.1%} ± {self.error:.1%} over the window"


def _trend(values: npt.NDArray[np.float64]) -> _Trend:
    """Return the trend of equidistant values."""
    if values.min() == values.max():
        return _Trend(1.0, 0.0, 0.0)
    position = np.arange(values.size)
    line = stats.linregress(position, values)
    over = values.size / float(values.mean())
    error = float(stats.t.ppf(0.95, values.size - 2)) * float(line.stderr)
    return _Trend(float(stats.kendalltau(position, values).pvalue), float(line.slope) * over, error * over)


def _mean_in_flight(series: _Series, begin_s: float, end_s: float) -> float:
    overlap_s = np.minimum(series.end_s, end_s) - np.maximum(series.sent_s, begin_s)
    return float(overlap_s[overlap_s > 0].sum()) / (end_s - begin_s)
