"""Schedules: drawn before the run, the same for the same seed, with the rates that were asked for."""

from itertools import islice, pairwise
from pathlib import Path

import pytest
from fakes.workloads import workload

from llmdvfs.arrivals.draw import draw_arrivals
from llmdvfs.arrivals.table import ARRIVALS
from llmdvfs.errors import ConfigError, DataError
from llmdvfs.records.spec import ArrivalSpec


def offsets(
    arrival: ArrivalSpec, seed: int = 1, num_requests: int | None = None, duration_s: float | None = None
) -> list[float]:
    drawn = draw_arrivals(workload(arrival, num_requests=num_requests, duration_s=duration_s), seed)
    return [arrival.offset_s for arrival in drawn if arrival.offset_s is not None]


def test_closed_loop_by_number_and_without_end() -> None:
    closed = ArrivalSpec("closed", concurrency=2)
    assert len(list(draw_arrivals(workload(closed, num_requests=5), 1))) == 5
    endless = draw_arrivals(workload(closed, num_requests=None, duration_s=1.0), 1)
    assert len(list(islice(endless, 10_000))) == 10_000


def test_a_load_without_an_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="num_requests or duration_s"):
        list(draw_arrivals(workload(num_requests=None), 1))


def test_waves() -> None:
    arrivals = draw_arrivals(workload(ArrivalSpec("waves", wave_sizes=(2, 3)), num_requests=None), 1)
    assert [arrival.wave for arrival in arrivals] == [0, 0, 1, 1, 1]


def test_constant_gaps_do_not_drift() -> None:
    drawn = offsets(ArrivalSpec("constant", rate_rps=3.0), num_requests=30_001)
    assert drawn[:4] == [0.0, 1 / 3, 2 / 3, 1.0]
    assert drawn[-1] == 10_000.0


def test_poisson_has_the_rate_and_the_spread_of_its_kind() -> None:
    drawn = offsets(ArrivalSpec("poisson", rate_rps=50.0), num_requests=20_000)
    gaps = [after - before for before, after in pairwise(drawn)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(0.02, rel=0.03)
    assert variance / mean**2 == pytest.approx(1.0, rel=0.06)  # of an exponential distribution


def test_gamma_keeps_the_rate_and_is_burstier() -> None:
    drawn = offsets(ArrivalSpec("gamma", rate_rps=50.0, burstiness=0.25), num_requests=20_000)
    gaps = [after - before for before, after in pairwise(drawn)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(0.02, rel=0.05)
    assert variance / mean**2 == pytest.approx(4.0, rel=0.1)  # 1 / shape


def test_ramp_has_the_expected_number_in_each_half() -> None:
    """From 0+ to 200 a second in 100 s: 10,000 in all, a quarter of them in the first half."""
    drawn = offsets(ArrivalSpec("ramp", rate_rps=1e-9, end_rate_rps=200.0), duration_s=100.0)
    assert len(drawn) == pytest.approx(10_000, rel=0.04)
    assert sum(offset < 50 for offset in drawn) == pytest.approx(2_500, rel=0.06)


def test_falling_ramp_ends() -> None:
    drawn = offsets(ArrivalSpec("ramp", rate_rps=100.0, end_rate_rps=1e-9), duration_s=10.0)
    assert len(drawn) == pytest.approx(500, rel=0.15)
    assert drawn == sorted(drawn)
    assert drawn[-1] <= 10.0


@pytest.mark.parametrize("kind", ["poisson", "gamma"])
def test_same_seed_same_schedule(kind: str) -> None:
    arrival = ArrivalSpec(kind, rate_rps=5.0, burstiness=0.5)
    assert offsets(arrival, seed=3, num_requests=50) == offsets(arrival, seed=3, num_requests=50)
    assert offsets(arrival, seed=3, num_requests=50) != offsets(arrival, seed=4, num_requests=50)


def test_duration_cuts_the_schedule() -> None:
    assert offsets(ArrivalSpec("constant", rate_rps=2.0), duration_s=2.0) == [0.0, 0.5, 1.0, 1.5]


def test_missing_rate_is_refused() -> None:
    with pytest.raises(ConfigError, match="rate_rps above 0"):
        offsets(ArrivalSpec("poisson"), num_requests=1)


def test_trace_window_and_speed(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    rows = ["TIMESTAMP,ContextTokens,GeneratedTokens"]
    rows += [f"2023-11-16 18:15:{second:02d}.5000000,{second},{second + 1}" for second in (10, 20, 30, 40)]
    path.write_text("\n".join(rows))
    spec = ArrivalSpec(
        "trace", trace_path=str(path), trace_format="azure", speedup=2.0, window_start_s=10.0, window_s=20.0
    )
    arrivals = list(draw_arrivals(workload(spec, num_requests=None), 1))
    assert [arrival.offset_s for arrival in arrivals] == [0.0, 5.0]
    assert [arrival.row.num_prompt_tokens for arrival in arrivals if arrival.row] == [20, 30]


def test_empty_trace_window_says_where_the_trace_ends(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text('{"timestamp": 0, "input_length": 1, "output_length": 1, "hash_ids": [1]}\n')
    spec = ArrivalSpec("trace", trace_path=str(path), trace_format="mooncake", window_start_s=5.0)
    with pytest.raises(DataError, match=r"ends at 0\.0 s"):
        list(draw_arrivals(workload(spec, num_requests=None), 1))


@pytest.mark.parametrize(("sizes", "batch"), [((4, 4), 4), ((2, 8, 4), None)])
def test_unequal_waves_have_no_batch_size(sizes: tuple[int, ...], batch: int | None) -> None:
    """Waves of 2, 8 and 4 had batch 8 in one file and none in another."""
    spec = ArrivalSpec("waves", wave_sizes=sizes)
    assert ARRIVALS["waves"].batch_size(spec) == batch
    assert ARRIVALS["waves"].num_at_once(spec) == max(sizes)


def test_an_unknown_kind_of_an_old_record_is_named() -> None:
    with pytest.raises(ConfigError, match="'pairs' is not known; expected one of closed, waves"):
        list(draw_arrivals(workload(ArrivalSpec("pairs")), 1))
