"""How long requests were on their way, by what clients, server and engine each saw of the same requests."""

from dataclasses import replace

import pytest
from fakes.records import Toy, fake_cell
from fakes.requests import ok_request

from llmdvfs.analysis.engine_wait import PREFILL, QUEUE, TTFT, engine_wait
from llmdvfs.records.load import LoadReport
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.phases import EngineWait
from llmdvfs.records.request import RequestRecord

RUN = fake_cell(Toy(gpu=True, duration_s=0.5)).run


def requests(*first_token_s: float | None) -> list[RequestRecord]:
    """One a value, sent at its own second; None: it failed before a token came."""
    return [
        ok_request(
            i,
            scheduled_mono_ns=i * 10**9,
            sent_mono_ns=i * 10**9,
            chunk_mono_ns=[] if first_s is None else [i * 10**9 + round(first_s * 1e9)],
            end_mono_ns=(i + 1) * 10**9,
        )
        for i, first_s in enumerate(first_token_s)
    ]


def report(*warmup_s: float, told: bool = True) -> LoadReport:
    made = LoadReport(0, 0, 0, len(warmup_s), {}, None, 0, 0, 0, 0, None, None, 0.0, 0.0, 0)
    return replace(made, warmup_first_token_s=warmup_s if told else None)


def scrape(sums_s: tuple[float, float, float], count: float) -> MetricsRecord:
    """Histograms of the server's TTFT, and of the engine's queue and prefill."""
    samples: dict[str, float] = {}
    for name, sum_s in zip((TTFT, QUEUE, PREFILL), sums_s, strict=True):
        samples |= {f'{name}_sum{{engine="0"}}': sum_s, f'{name}_count{{engine="0"}}': count}
    return MetricsRecord(0, {instance.name: dict(samples) for instance in RUN.server_start.instances})


BEFORE = scrape((5.0, 1.0, 3.0), 7)


def test_what_clients_waited_less_what_the_engine_took() -> None:
    """Three of 0.21 s and a warm-up of 0.85 s, as its prefill took 0.8 s: 1.48 s in all.

    The engine's prefills took 1.34 s and its queue 0.02 s: 0.12 s for 4 are 30 ms on the way. The server saw 1.372 s:
    0.012 s, so 3 ms a request, were between its arrival there and its first token, before the prefill or after it.
    """
    after = scrape((5.0 + 1.372, 1.0 + 0.02, 3.0 + 1.34), 7 + 4)
    found = engine_wait(RUN, requests(0.21, 0.21, 0.21), report(0.85), BEFORE, after, "single")
    assert found is not None
    assert (found.mean_s, found.low_s, found.high_s) == pytest.approx((0.030, 0.027, 0.033))


@pytest.mark.parametrize(
    "case", ["other requests too", "one failed", "not told of the warm-up", "clocks that disagree"]
)
def test_nothing_is_told_of_other_requests(case: str) -> None:
    after = scrape((5.0 + 1.372, 1.0 + 0.02, 3.0 + 1.34), 7 + (5 if case == "other requests too" else 4))
    sent = requests(0.21, 0.21, None if case == "one failed" else 0.001 if case == "clocks that disagree" else 0.21)
    told = report(0.85, told=case != "not told of the warm-up")
    assert engine_wait(RUN, sent, told, BEFORE, after, "single") is None


def test_a_role_among_others_is_not_told() -> None:
    """The client waits for two engines and what is between them."""
    pair = fake_cell(Toy(architecture="disaggregated", gpu=True, duration_s=0.5)).run
    scraped = MetricsRecord(0, {instance.name: {} for instance in pair.server_start.instances})
    assert engine_wait(pair, requests(0.2), report(), scraped, scraped, "prefill") is None


def test_an_engine_without_these_histograms() -> None:
    empty = MetricsRecord(0, {instance.name: {} for instance in RUN.server_start.instances})
    assert engine_wait(RUN, requests(0.2), report(), empty, empty, "single") is None


def test_without_a_warmup_nothing_is_missing() -> None:
    after = scrape((5.0 + 0.19, 1.0, 3.0 + 0.18), 8)
    found = engine_wait(RUN, requests(0.2), report(told=False), BEFORE, after, "single")
    assert found is not None
    assert found == EngineWait(pytest.approx(0.02), pytest.approx(0.01), pytest.approx(0.03))
