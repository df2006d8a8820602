"""The time of a KV transfer has one definition: the result's, the figure's and the TTFT part's are the same sample."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from fakes.records import Toy, fake_cell
from fakes.requests import ok_request

from llmdvfs.analysis.requests.samples import latency_samples
from llmdvfs.analysis.transfer.cell import transfer_result
from llmdvfs.analysis.transfer.times import carried_bytes_per_s
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.phases import PhaseInterval
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.raw import RawCell
from llmdvfs.records.result import Window

MS = 1_000_000
CELL = fake_cell(Toy("disaggregated"))
REQUESTS = [
    ok_request(
        i,
        scheduled_mono_ns=1000 * i * MS,
        sent_mono_ns=1000 * i * MS,
        chunk_mono_ns=((1000 * i + 300) * MS, (1000 * i + 310) * MS),
        end_mono_ns=(1000 * i + 311) * MS,
    )
    for i in range(4)
]
INTERVALS = (PhaseInterval(2, "transfer", "decode", 2.05, 2.25, True),)  # of one of the four, 0.2 s


def stamps(index: int) -> ProxyRecord:
    """Received with the send, prefill from 10 to 50 ms after it, first byte from decode at 290 ms."""
    begin = 1000 * index * MS
    seen = CELL_STAMPS | {
        "request_id": f"r{index}",
        "received_mono_ns": begin,
        "prefill_sent_mono_ns": begin + 10 * MS,
        "prefill_done_mono_ns": begin + 50 * MS,
        "first_byte_mono_ns": begin + 290 * MS,
    }
    return ProxyRecord(**seen)  # type: ignore[arg-type]


CELL_STAMPS: dict[str, object] = dict.fromkeys(ProxyRecord.__dataclass_fields__)


def test_a_transfer_that_leaves_no_trace_took_no_time_everywhere() -> None:
    """One of four transfers shows, 0.2 s long: the mean is 0.05 s. The figure drew a single transfer, of 0.2 s."""
    proxy = {f"r{i}": stamps(i) for i in range(4)}
    nothing = MetricsRecord(0, {})
    result = transfer_result(CELL.run, REQUESTS, proxy, INTERVALS, nothing, nothing, [])
    assert result is not None
    assert (result.time_s.n, result.time_s.mean) == (4, pytest.approx(0.05))
    assert result.ttft_parts_s["transfer"] == result.time_s
    total_s = sum(part.mean or 0.0 for part in result.ttft_parts_s.values())
    assert total_s == pytest.approx(0.3)  # the parts add up to the TTFT

    raw = cast(RawCell, SimpleNamespace(requests=REQUESTS, run=replace(CELL.run, started_mono_ns=0)))
    phases = replace(CELL.phases, intervals=INTERVALS)
    drawn_s = latency_samples(raw.run, raw.requests, phases, Window(0.0, 10.0, "steady", ""))["kv_transfer_s"]
    assert sorted(drawn_s) == pytest.approx([0.0, 0.0, 0.0, 0.2])


def test_one_instance_has_no_transfers_to_draw() -> None:
    raw = cast(RawCell, SimpleNamespace(requests=REQUESTS, run=replace(fake_cell(Toy()).run, started_mono_ns=0)))
    phases = replace(CELL.phases, intervals=())
    assert not latency_samples(raw.run, raw.requests, phases, Window(0.0, 10.0, "steady", ""))["kv_transfer_s"].size


def test_what_a_link_carries_is_all_bytes_over_the_time_in_which_any_moves() -> None:
    """Two of 300 bytes take 2 s each and share one of them, one of 200 takes 1 s later on: 800 in 4 s."""
    spans = {0: (0.0, 2.0), 1: (1.0, 3.0), 2: (5.0, 6.0)}
    intervals = [PhaseInterval(i, "transfer", "decode", *span, True) for i, span in spans.items()]
    intervals += [
        PhaseInterval(0, "decode", "decode", 2.0, 9.0, False),
        PhaseInterval(7, "transfer", "decode", 8, 9, True),
    ]
    sizes = {0: 300.0, 1: 300.0, 2: 200.0, 3: 1e6}  # of 3 no time shows; 7 failed
    assert carried_bytes_per_s(sizes, intervals) == 800 / 4
    assert carried_bytes_per_s(sizes, intervals[3:]) is None
