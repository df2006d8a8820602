"""Raw files without checksums that contradict each other: the cell is marked."""

from dataclasses import replace
from pathlib import Path

import pytest

from llmdvfs.analysis.gates.agreement import raw_files_agree
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.raw import RawCell, read_raw
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import Gate

MEASURED = Path(__file__).parents[2] / "golden" / "disaggregated_small" / "raw"


@pytest.fixture(scope="module")
def raw() -> RawCell:
    return read_raw(MEASURED)


def gate(raw: RawCell, requests: tuple[RequestRecord, ...] | None = None, swapped: bool = False) -> Gate:
    scrapes: tuple[MetricsRecord, MetricsRecord] = (raw.metrics_before, raw.metrics_after)
    return raw_files_agree(requests or raw.requests, raw.load_report, scrapes[::-1] if swapped else scrapes)


def test_a_measured_cell_agrees_with_itself(raw: RawCell) -> None:
    assert gate(raw).status == "passed"


def test_nine_of_158_requests(raw: RawCell) -> None:
    cut = gate(raw, raw.requests[:9])
    assert (cut.status, cut.seen) == ("failed", "9 requests in requests.jsonl, 158 in load_report.json")


def test_an_answer_before_its_question(raw: RawCell) -> None:
    """An edited file had given a TTFT of -0.27 s, in a table."""
    first = raw.requests[0]
    edited = replace(first, chunk_mono_ns=(first.scheduled_mono_ns - 270_000_000, *first.chunk_mono_ns[1:]))
    found = gate(raw, (edited, *raw.requests[1:]))
    assert found.status == "failed"
    assert found.seen == f"request {first.index}: its tokens, send and end are not in the order of time"


def test_a_request_that_failed_claims_nothing(raw: RawCell) -> None:
    failed = replace(raw.requests[0], outcome="timeout", chunk_mono_ns=(), chunk_num_tokens=(), sent_mono_ns=None)
    assert gate(raw, (failed, *raw.requests[1:])).status == "passed"


def test_exchanged_scrapes(raw: RawCell) -> None:
    found = gate(raw, swapped=True)
    assert found.status == "failed"
    assert "were taken before" in found.seen


def test_a_counter_that_falls(raw: RawCell) -> None:
    """A server that was started anew between the two scrapes counts from 0: no difference of them means anything."""
    scrapes = (
        replace(raw.metrics_before, instances={"prefill-0": {'vllm:prompt_tokens_total{engine="0"}': 7.0}}),
        replace(raw.metrics_after, instances={"prefill-0": {'vllm:prompt_tokens_total{engine="0"}': 0.0}}),
    )
    found = raw_files_agree(raw.requests, raw.load_report, scrapes)
    assert found.seen == 'prefill-0: vllm:prompt_tokens_total{engine="0"} fell from 7 to 0'
