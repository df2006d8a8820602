"""Latencies and rates of requests whose figures are worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from fakes.requests import ok_request
from fakes.workloads import workload
from hypothesis import given
from hypothesis import strategies as st

from llmdvfs.analysis.chunks import chunks_of
from llmdvfs.analysis.requests.latency import latency_result, meets, throughput_result, tpot_s
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import Window
from llmdvfs.records.spec import SloSpec

MS = 1_000_000
START = 5_000 * MS  # the run begins here; request times below count from it
WHOLE = Window(0.0, 10.0, "whole", "test")


def request(
    index: int = 0,
    due: float = 0.0,
    sent: float = 1.0,
    chunks: dict[float, int] | None = None,
    end: float | None = None,
) -> RequestRecord:
    """Return an ok request; chunks: {arrival [ms]: tokens}."""
    chunks = {51.0: 1, 61.0: 1, 71.0: 1} if chunks is None else chunks
    return ok_request(
        index,
        scheduled_mono_ns=START + int(due * MS),
        sent_mono_ns=START + int(sent * MS),
        chunk_mono_ns=[START + int(arrival * MS) for arrival in chunks],
        chunk_num_tokens=list(chunks.values()),
        end_mono_ns=START + int((end if end is not None else max(chunks) + 1) * MS),
    )


def failed(index: int, end: float) -> RequestRecord:
    return replace(request(index, chunks={end - 1: 1}, end=end), outcome="stream_error", error="broken")


def test_one_request_by_hand() -> None:
    result = latency_result([request()], WHOLE, START)
    assert result.ttft_s.mean == pytest.approx(0.051)  # from the schedule
    assert result.ttft_from_sent_s.mean == pytest.approx(0.050)
    assert result.lateness_s.mean == pytest.approx(0.001)
    assert result.tpot_s.mean == pytest.approx(0.010)
    assert result.tbt_s.n == result.chunk_gap_s.n == 2
    assert result.e2e_s.mean == pytest.approx(0.071)  # to the last token, not to the last byte
    assert result.normalised_latency_s.mean == pytest.approx(0.071 / 3)


def test_several_tokens_a_chunk() -> None:
    """4 tokens at 50 ms and 4 at 90 ms: one chunk gap of 40 ms, four token gaps of 10 ms, TPOT 10 ms.

    TPOT once divided by the 7 tokens after the first one, three of which took no time after the first chunk.
    """
    result = latency_result([request(chunks={50.0: 4, 90.0: 4})], WHOLE, START)
    assert result.tpot_s.mean == pytest.approx(0.010)
    assert (result.chunk_gap_s.n, result.chunk_gap_s.mean) == (1, pytest.approx(0.040))
    assert (result.tbt_s.n, result.tbt_s.min, result.tbt_s.max) == (4, pytest.approx(0.010), pytest.approx(0.010))


def test_percentiles_over_requests_and_over_gaps_are_different_things() -> None:
    """99 gaps of 10 ms in one request, a single gap of 100 ms in another: median TPOT 55 ms, median TBT 10 ms."""
    steady = request(0, chunks={50.0 + 10.0 * i: 1 for i in range(100)})
    slow = request(1, chunks={50.0: 1, 150.0: 1})
    result = latency_result([steady, slow], WHOLE, START)
    assert (result.tpot_s.n, result.tpot_s.p50) == (2, pytest.approx(0.055))
    assert (result.tbt_s.n, result.tbt_s.p50) == (100, pytest.approx(0.010))


def test_single_token_has_no_tpot_and_no_gap() -> None:
    result = latency_result([request(chunks={50.0: 1})], WHOLE, START)
    assert (result.ttft_s.n, result.tpot_s.n, result.tbt_s.n) == (1, 0, 0)
    assert result.tpot_s.mean is None
    assert latency_result([request(chunks={50.0: 8})], WHOLE, START).tpot_s.n == 0  # nor have 8 tokens in one chunk


def test_failures_enter_no_latency() -> None:
    result = latency_result([request(0), failed(1, end=9000.0)], WHOLE, START)
    assert result.ttft_s.n == 1


def test_requests_scheduled_in_the_window_count_whenever_they_end() -> None:
    window = Window(0.010, 0.100, "steady", "test")
    early, inside, late = request(0, due=5.0), request(1, due=10.0), request(2, due=20.0, end=100.5)
    assert latency_result([early, inside, late], window, START).ttft_s.n == 2


def one_in_ten_takes_five_seconds() -> list[RequestRecord]:
    """One request every 80 ms over 8 s; nine take 0.1 s, the tenth 5 s: those sent after 3 s end after the window."""
    sent_ms = [80.0 * i for i in range(100)]
    return [
        request(i, due=t, sent=t, chunks={t + 50: 1, t + (5000 if i % 10 == 9 else 100): 1})
        for i, t in enumerate(sent_ms)
    ]


def test_long_requests_near_the_end_of_the_window_are_not_forgotten() -> None:
    """The true p95 is 5 s and 90 % keep 1 s. Counting those that end inside, it was 0.1 s and 97 %.

    Of the ten long ones those due at 0.72, 1.52 and 2.32 s end by 8 s: 3 of 93 would be left.
    """
    window = Window(0.0, 8.0, "steady", "test")
    requests = one_in_ten_takes_five_seconds()
    result = latency_result(requests, window, START)
    assert (result.e2e_s.n, result.e2e_s.p95, result.e2e_s.p99) == (100, pytest.approx(5.0), pytest.approx(5.0))
    assert result.e2e_s.mean == pytest.approx(0.9 * 0.1 + 0.1 * 5.0)
    rates = throughput_result(requests, workload(slo=SloSpec(e2e_s=1.0)), window, START)
    assert rates.slo_attainment_fraction == pytest.approx(0.90)
    assert rates.goodput_rps == pytest.approx(90 / 8)
    assert rates.num_requests == 93  # what flowed out of the window is counted where it flowed


@pytest.mark.parametrize("seed", range(5))
def test_a_short_window_has_the_percentiles_of_a_long_one(seed: int) -> None:
    """Lengths 1-9 s, uniformly: the true p90 of E2E is 8.2 s and the mean 5 s, in a window of 9 s too.

    Counted where they lived wholly inside, those sent at u in [0, 9) count with probability (9 - u) / 9 at most, and
    the p90 came out at 6.5 s. Within 4 standard errors of the sample: sd 2.31 s, density at p90 1/8 per second.
    """
    rng = np.random.default_rng(seed)
    requests = []
    for index, (due, length) in enumerate(zip(np.arange(0, 9000, 9.0), rng.uniform(1000, 9000, 1000), strict=True)):
        requests.append(request(index, due=due, sent=due, chunks={due + 1: 1, due + length: 1}))
    e2e = latency_result(requests, Window(0.0, 9.0, "steady", "test"), START).e2e_s
    assert e2e.mean == pytest.approx(5.0, abs=4 * 2.31 / 1000**0.5)
    assert e2e.p90 == pytest.approx(8.2, abs=4 * (0.9 * 0.1 / 1000) ** 0.5 * 8)


def test_a_time_out_is_at_least_as_late_as_when_it_was_given_up() -> None:
    """One answered in 71 ms, one given up after 3 s with a first token at 51 ms, one after 4 s without a byte."""
    slow = replace(request(1, end=3000.0), outcome="timeout", error="not finished")
    mute = replace(request(2, end=4000.0), outcome="timeout", chunk_mono_ns=(), chunk_num_tokens=())
    result = latency_result([request(0), slow, mute], WHOLE, START)
    assert (result.e2e_s.n, result.e2e_s.num_at_least) == (3, 2)
    assert result.e2e_s.p50 == pytest.approx(3.0)
    assert result.e2e_s.max == pytest.approx(4.0)
    assert (result.ttft_s.n, result.ttft_s.num_at_least) == (3, 1)
    assert result.ttft_s.p50 == pytest.approx(0.051)
    assert result.ttft_from_sent_s.max == pytest.approx(3.999)


def test_a_time_out_keeps_no_limit() -> None:
    mute = replace(request(1, end=400.0), outcome="timeout", chunk_mono_ns=(), chunk_num_tokens=())
    rates = throughput_result([request(0), mute], workload(slo=SloSpec(e2e_s=1.0)), WHOLE, START)
    assert rates.slo_attainment_fraction == pytest.approx(0.5)


def test_nothing_gives_no_numbers() -> None:
    result = latency_result([], WHOLE, START)
    assert (result.ttft_s.n, result.ttft_s.mean) == (0, None)
    rates = throughput_result([], workload(), Window(0.0, 0.0, "whole", "nothing"), START)
    assert (rates.num_requests, rates.failed_fraction, rates.request_rate_rps) == (0, 0.0, None)


def test_rates_count_what_arrived_in_the_window() -> None:
    """Window of 50 ms that begins after the first token of the first request and ends before the end of the second."""
    window = Window(0.060, 0.110, "steady", "test")
    first = request(0, chunks={51.0: 1, 61.0: 2, 71.0: 1})  # ends at 72
    second = request(1, due=20.0, sent=21.0, chunks={100.0: 1, 110.0: 1, 120.0: 1})  # ends at 121
    rates = throughput_result([first, second, failed(2, end=80.0)], workload(), window, START)
    assert (rates.num_requests, rates.num_output_tokens, rates.num_prompt_tokens) == (1, 5, 8)
    assert rates.request_rate_rps == pytest.approx(20.0)
    assert rates.output_token_rate_per_s == pytest.approx(100.0)
    assert rates.prompt_token_rate_per_s == pytest.approx(160.0)
    assert rates.outcomes == {"ok": 2, "stream_error": 1}
    assert rates.failed_fraction == pytest.approx(1 / 3)
    assert (rates.goodput_rps, rates.slo_attainment_fraction) == (None, None)  # no limit was set


def test_goodput_counts_failures_as_misses() -> None:
    """Of four that were due: one good, one with a late first token, one with slow tokens, one failed."""
    slo = SloSpec(ttft_s=0.060, tpot_s=0.015)
    good, late, slow = request(0), request(1, chunks={70.0: 1, 80.0: 1}), request(2, chunks={50.0: 1, 70.0: 1})
    rates = throughput_result(
        [good, late, slow, failed(3, end=50.0)], workload(slo=slo), Window(0.0, 0.5, "whole", "test"), START
    )
    assert rates.goodput_rps == pytest.approx(2.0)
    assert rates.slo_attainment_fraction == pytest.approx(0.25)


def test_single_token_keeps_any_tpot_limit() -> None:
    assert meets(request(chunks={50.0: 1}), SloSpec(tpot_s=0.001))
    assert not meets(request(chunks={50.0: 1}), SloSpec(e2e_s=0.049))


def test_prompt_tokens_as_asked_where_the_server_tells_none() -> None:
    rates = throughput_result([replace(request(), num_prompt_tokens=None)], workload(), WHOLE, START)
    assert rates.num_prompt_tokens == 8


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(1, 5)), min_size=2, max_size=30), st.integers(0, 10**15))
def test_mean_token_gap_is_the_tpot(steps: list[tuple[int, int]], shift: int) -> None:
    """The token gaps add up to the time between the first and the last chunk, whatever the chunks and the origin."""
    arrivals, now = {}, 0.0
    for gap, num_tokens in steps:
        now += gap
        arrivals[now] = num_tokens
    one = request(chunks=arrivals)
    moved = replace(one, chunk_mono_ns=tuple(instant + shift for instant in one.chunk_mono_ns))
    assert chunks_of([one]).token_gaps_s.mean() == pytest.approx(tpot_s(one))
    assert tpot_s(moved) == pytest.approx(tpot_s(one))
