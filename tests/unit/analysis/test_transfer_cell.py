"""What NIXL's own counters tell of a cell's KV transfers, worked out by hand.

Four requests of 8 tokens at 1000 bytes of KV cache each were measured after a warm-up of two, so that NIXL counted six
transfers of 48 kB together, in 12 pieces and 0.006 s.
"""

from dataclasses import replace

import pytest
from fakes.records import Toy, fake_cell
from fakes.requests import ok_request

from llmdvfs.analysis.transfer.cell import transfer_result
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.result import TransferResult

MS = 1_000_000
RUN = replace(fake_cell(Toy("disaggregated")).run, kv_bytes_per_token=1000)
REQUESTS = [
    ok_request(
        i,
        scheduled_mono_ns=i * MS,
        sent_mono_ns=i * MS,
        chunk_mono_ns=((i + 3) * MS, (i + 4) * MS),
        end_mono_ns=(i + 5) * MS,
        num_prompt_tokens=8,
    )
    for i in range(4)
]
EXTERNAL = 'vllm:prompt_tokens_by_source_total{source="external_kv_transfer"}'
EXTERNAL_BEFORE_0_16 = "vllm:external_prefix_cache_hits_total{}"
PULLED = {
    "vllm:nixl_xfer_time_seconds_sum{}": 0.006,
    "vllm:nixl_bytes_transferred_sum{}": 48_000.0,
    "vllm:nixl_num_descriptors_sum{}": 12.0,
    "vllm:prompt_tokens_total{}": 50.0,
    EXTERNAL: 48.0,
}
NOTHING = dict.fromkeys(PULLED, 0.0)


def told_by(prefill: dict[str, float], decode: dict[str, float]) -> TransferResult:
    """Return the result where the counters of both sides rose from 0 to these values."""
    before = MetricsRecord(0, {"prefill-0": dict.fromkeys(prefill, 0.0), "decode-0": dict.fromkeys(decode, 0.0)})
    after = MetricsRecord(1, {"prefill-0": prefill, "decode-0": decode})
    result = transfer_result(RUN, REQUESTS, {}, (), before, after, [])
    assert result is not None
    return result


def test_a_connector_that_pulls_counts_at_decode() -> None:
    seen = told_by(prefill={}, decode=PULLED)
    assert seen.method == "connector_metric"
    assert seen.rate_bytes_per_s == pytest.approx(48 * 1000 / 0.006)  # all six over the time of all six
    assert seen.piece_bytes == 4000.0  # 48 kB in 12 pieces
    assert (seen.external_kv_tokens, seen.decode_prompt_tokens) == (48.0, 50.0)  # two tokens were computed anew
    assert (seen.bytes_per_request.n, seen.bytes_per_request.mean) == (4, 8000.0)


def test_a_connector_that_pushes_counts_at_prefill() -> None:
    pushed = {name: value for name, value in PULLED.items() if "nixl" in name}
    decode = NOTHING | {EXTERNAL: 48.0, "vllm:prompt_tokens_total{}": 50.0}
    assert told_by(prefill=pushed, decode=decode) == told_by(prefill={}, decode=PULLED)


def test_the_older_name_of_the_transferred_tokens() -> None:
    older = {name: value for name, value in PULLED.items() if name != EXTERNAL} | {EXTERNAL_BEFORE_0_16: 48.0}
    assert told_by(prefill={}, decode=older) == told_by(prefill={}, decode=PULLED)


def test_without_the_size_of_the_cache_the_rate_is_of_the_bytes_that_the_connector_counted() -> None:
    """6 ms for 48 kB; what each request took is tokens times a size that is not known."""
    unknown = replace(RUN, kv_bytes_per_token=None)

    def seen(counted: dict[str, float]) -> TransferResult:
        before, after = (MetricsRecord(at, {"decode-0": told}) for at, told in enumerate((NOTHING, counted)))
        result = transfer_result(unknown, REQUESTS, {}, (), before, after, [])
        assert result is not None
        return result

    assert (seen(PULLED).rate_bytes_per_s, seen(PULLED).bytes_per_request.n) == (pytest.approx(8e6), 0)
    assert seen({name: value for name, value in PULLED.items() if "bytes" not in name}).rate_bytes_per_s is None


def test_without_pieces_there_is_no_size_of_one() -> None:
    """A histogram that took nothing has a sum of 0: that is no piece of 0 bytes, nor a division by it."""
    assert told_by(prefill={}, decode=PULLED | {"vllm:nixl_num_descriptors_sum{}": 0.0}).piece_bytes is None
    assert told_by(prefill={}, decode=PULLED | {"vllm:nixl_bytes_transferred_sum{}": 0.0}).piece_bytes is None


def test_one_instance_has_no_transfers() -> None:
    nothing = MetricsRecord(0, {})
    assert transfer_result(fake_cell(Toy()).run, REQUESTS, {}, (), nothing, nothing, []) is None
