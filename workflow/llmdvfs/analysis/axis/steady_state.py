"""The steady window of a load, found from its own data (docs/metrics.md#steady-state)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import stats

from llmdvfs.arrivals.table import arrival_kind
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import Window
from llmdvfs.records.spec import WorkloadSpec

HELD_FRACTION = 0.9  # mean requests in flight / configured concurrency; the rest is the turn-round of the places
MIN_REQUESTS = 10  # that live wholly in the window
MIN_BINS, MAX_BINS = 8, 20  # of the throughput series that is tested
MIN_TOKENS_PER_BIN = 2
SIGNIFICANCE = 0.05
MAX_DRIFT_FRACTION = 0.1  # a trend that changes the throughput by less over the whole window changes no conclusion
MAX_NOISE_DRIFT_FRACTION = 0.3  # what is not significant may be noise up to here; beyond, too few data show nothing
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
    found = arrival_kind(workload.arrival.kind).never_steady or _steady_window(series, workload)
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
        reason, is_steady = _judge(series, part_s, workload)
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


def _judge(series: _Series, part_s: tuple[float, float], workload: WorkloadSpec) -> tuple[str, bool]:
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
        p_value, drift = _trend(in_flight)
        if p_value < SIGNIFICANCE and abs(drift) > MAX_IN_FLIGHT_DRIFT_FRACTION:
            return f"requests in flight: Mann-Kendall p = {p_value:.2g}, Theil-Sen drift {drift:+.0%}", False
    return _judge_throughput(series, begin_s, end_s)


def _judge_throughput(series: _Series, begin_s: float, end_s: float) -> tuple[str, bool]:
    """Test the output tokens of equal bins for a trend."""
    inside = (series.token_s >= begin_s) & (series.token_s <= end_s)
    num_tokens = int(series.token_nums[inside].sum())
    num_bins = min(num_tokens // MIN_TOKENS_PER_BIN, MAX_BINS)
    if num_bins < MIN_BINS:
        return f"only {num_tokens} tokens came between ramp-up and drain, too few to test their rate for a trend", False
    counts, _ = np.histogram(
        series.token_s[inside], bins=num_bins, range=(begin_s, end_s), weights=series.token_nums[inside]
    )
    p_value, drift = _trend(counts)
    seen = (
        f"throughput in {num_bins} bins: Mann-Kendall p = {p_value:.2g}, Theil-Sen drift {drift:+.1%} over the window"
    )
    limit = MAX_DRIFT_FRACTION if p_value < SIGNIFICANCE else MAX_NOISE_DRIFT_FRACTION
    return seen, abs(drift) <= limit


def _trend(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the p-value of Mann-Kendall's test, and Theil-Sen's slope over the whole series as a share of its mean."""
    if values.min() == values.max():
        return 1.0, 0.0
    p_value = float(stats.kendalltau(np.arange(values.size), values).pvalue)
    return p_value, float(stats.theilslopes(values).slope) * values.size / float(values.mean())


def _mean_in_flight(series: _Series, begin_s: float, end_s: float) -> float:
    overlap_s = np.minimum(series.end_s, end_s) - np.maximum(series.sent_s, begin_s)
    return float(overlap_s[overlap_s > 0].sum()) / (end_s - begin_s)
