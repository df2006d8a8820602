"""What a router adds is told request by request and token by token, and what the runs decide beside it."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.requests import seen

from llmdvfs.records.load import SendRecord

BENCH = Path(__file__).parents[3] / "bench" / "proxy"
sys.path.insert(0, str(BENCH))
from added import Measured, figures, store, stored  # noqa: E402
from proxy_page import above, tables  # noqa: E402

sys.path.remove(str(BENCH))

MS = 1_000_000
RUN = Measured("balanced", "llm-dvfs", 64, False, 1.0, 3.0, 0.0, 0.5, 20.0, 0.4)


def test_a_delay_that_moves_from_token_to_token_is_seen() -> None:
    """Gaps of 10 and 30 ms that come as 30 and 10 have the same percentiles: their difference was 0."""
    sent = SendRecord("r", 0, tuple(MS * at for at in (50, 60, 90, 100, 130)))
    came = seen(0, 0, [51, 81, 91, 121, 131], 131)
    found = figures([came], [(sent, 0)])
    assert found["ttft_p50_ms"] == pytest.approx(1)
    assert found["gap_p99_ms"] == pytest.approx(20, abs=1)


def test_what_prefill_took_is_not_the_routers() -> None:
    sent = SendRecord("r", 30 * MS, (80 * MS, 90 * MS))
    came = seen(0, 0, [83, 93], 93)
    assert figures([came], [(sent, 20 * MS)])["ttft_p50_ms"] == pytest.approx(13)


def test_tokens_that_did_not_come_one_by_one_are_no_figures() -> None:
    sent = SendRecord("r", 0, (50 * MS, 60 * MS, 70 * MS))
    came = seen(0, 0, [51, 71], 71)
    with pytest.raises(SystemExit, match="2 pieces came of 3 tokens"):
        figures([came], [(sent, 0)])


def test_figures_that_are_above_the_peers_are_named_with_what_the_runs_decide() -> None:
    ours = [replace(RUN, gap_p99_ms=0.5 + number / 100) for number in range(9)]
    peers = [replace(run, router="vllm-router", gap_p99_ms=run.gap_p99_ms - 0.2, ttft_p99_ms=6.0) for run in ours]
    said = above([*ours, *peers])
    assert "- Before one instance, as the balancer, streams 64, gap p99: 0.20 above, p = 0.00\n" in said
    assert said.count("\n- ") == 1
    assert "In no figure" in above([*peers, *(replace(run, gap_p99_ms=0.1) for run in ours)])
    assert above(ours) == ""


def test_loads_in_step_have_tables_and_a_clients_error_of_their_own() -> None:
    none = replace(RUN, router="no router", ttft_p50_ms=0.25, cpu_ms_per_1000_tokens=None)
    in_step = [replace(run, in_step=True, ttft_p50_ms=2 * run.ttft_p50_ms) for run in (none, RUN)]
    lines = tables([none, RUN, *in_step]).splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        "### Before one instance, as the balancer",
        "### Before one instance, as the balancer, all streams in step",
    ]
    assert [line.split(" | ")[3] for line in lines if "| llm-dvfs |" in line] == ["0.75", "1.50"]


def test_runs_are_kept_to_be_added_to_and_those_of_another_bench_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "proxy.json"
    assert stored(file) == []
    store(file, "a host", [RUN])
    assert stored(file) == [RUN]
    file.write_text(file.read_text().replace('"in_step"', '"rounds"'))
    with pytest.raises(SystemExit, match=r"proxy\.json: its runs cannot be added to: .*rounds"):
        stored(file)
