"""The two requests of a hand-over, before anybody sends them."""

import json

import pytest

from llmdvfs.records.route import KvAddresses, Upstream
from llmdvfs.routing.failure import UpstreamFailed
from llmdvfs.routing.pair import Pair

KV = KvAddresses("127.0.0.1", 1, 2, "/kv", "engine")
PREFILL = Upstream("prefill-0", "prefill", "http://127.0.0.1:1", KV)
DECODE = Upstream("decode-0", "decode", "http://127.0.0.1:2", KV)
BODY = {"model": "m", "prompt": [1, 2, 3], "max_tokens": 8, "min_tokens": 8, "stream": True}


def pair(connector: str = "nixl") -> Pair:
    return Pair(connector, PREFILL, DECODE, "/v1/completions", BODY, "r1")


def test_two_requests_of_one_id_are_two_for_the_engines() -> None:
    """Connectors match prefill and decode by the id: two clients that use one must not meet."""
    first, second = pair(), pair()
    assert first.request_id.startswith("r1-")
    assert second.request_id.startswith("r1-")
    assert first.request_id != second.request_id


def test_what_the_client_asked_is_left_as_it_was() -> None:
    before = json.dumps(BODY)
    one = pair()
    assert json.loads(one.prefill_content())["max_tokens"] == 1
    assert json.loads(one.decode_content({"kv_transfer_params": {"a": 1}}))["kv_transfer_params"] == {"a": 1}
    assert json.dumps(BODY) == before


@pytest.mark.parametrize(
    ("status", "whole", "seen", "told"),
    [
        (500, b"no", 500, "prefill-0: prefill answered 500"),
        (200, b"no", 502, "prefill-0: the prefill answer is not a JSON object"),
        (200, b"[1]", 502, "prefill-0: the prefill answer is not a JSON object"),
        (200, b'{"a": "\xff"}', 502, "prefill-0: the prefill answer is not a JSON object"),
    ],
)
def test_a_prefill_answer_that_is_none_is_told_with_its_instance(
    status: int, whole: bytes, seen: int, told: str
) -> None:
    with pytest.raises(UpstreamFailed, match=told) as failed:
        pair().prefilled(status, whole)
    assert failed.value.status == seen


def test_an_answer_without_parameters_is_told_before_decode_is_asked() -> None:
    with pytest.raises(UpstreamFailed, match="prefill-0: the prefill answer carries no kv_transfer_params"):
        pair().decode_content({"choices": []})


def test_a_pair_needs_addresses_for_its_cache() -> None:
    with pytest.raises(ValueError, match="needs a connector and KV addresses"):
        Pair("nixl", Upstream("prefill-0", "prefill", "http://127.0.0.1:1"), DECODE, "/v1/completions", BODY, "r1")
