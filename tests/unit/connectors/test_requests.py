"""The form of requests, connector by connector."""

import re

import pytest

from llmdvfs.connectors.table import CONNECTORS
from llmdvfs.records.route import KvAddresses

PREFILL = KvAddresses("10.0.0.1", 8100, 21001, "/kv", "engine-p", tensor_parallel_size=2)
DECODE = KvAddresses("10.0.0.2", 8200, 22001, "/kv", "engine-d")
BODY = {
    "model": "m",
    "prompt": [1, 2],
    "max_tokens": 64,
    "min_tokens": 64,
    "ignore_eos": True,
    "stream": True,
    "stream_options": {"include_usage": True},
    "return_token_ids": True,
}
ONE_TOKEN = {"model": "m", "prompt": [1, 2], "max_tokens": 1, "ignore_eos": True, "stream": False}
ASK_TO_KEEP = {
    "do_remote_decode": True,
    "do_remote_prefill": False,
    "remote_engine_id": None,
    "remote_block_ids": None,
    "remote_host": None,
    "remote_port": None,
}


@pytest.mark.parametrize("name", ["example", "p2p_nccl"])
def test_prefill_is_the_request_with_one_token(name: str) -> None:
    """And without its ids: prefill answered with those of the whole prompt, which stood before every first token."""
    assert CONNECTORS[name].prefill_body(BODY, "r1") == ONE_TOKEN
    assert CONNECTORS[name].decode_body(BODY, "r1", {}, PREFILL, "/v1/completions") == BODY


@pytest.mark.parametrize("name", ["nixl", "nixl_push"])
def test_nixl_asks_prefill_to_keep_its_blocks(name: str) -> None:
    assert CONNECTORS[name].prefill_body(BODY, "r1") == ONE_TOKEN | {"kv_transfer_params": ASK_TO_KEEP}


def test_a_chat_request_is_cut_to_one_token_as_well() -> None:
    body = {"model": "m", "messages": [], "max_completion_tokens": 64, "stream": True}
    assert CONNECTORS["example"].prefill_body(body, "r1") == {
        "model": "m",
        "messages": [],
        "max_tokens": 1,
        "stream": False,
    }


def test_nixl_hands_on_what_prefill_answered() -> None:
    params = {"do_remote_prefill": True, "remote_block_ids": [3, 4], "remote_port": 5600}
    answer = {"id": "x", "kv_transfer_params": params}
    assert CONNECTORS["nixl"].decode_body(BODY, "r1", answer, PREFILL, "/v1/completions") == BODY | {
        "kv_transfer_params": params
    }


@pytest.mark.parametrize("answer", [{}, {"kv_transfer_params": None}, None])
def test_nixl_refuses_to_let_decode_recompute_in_silence(answer: dict[str, object] | None) -> None:
    with pytest.raises(ValueError, match="no kv_transfer_params"):
        CONNECTORS["nixl"].decode_body(BODY, "r1", answer, PREFILL, "/v1/completions")


@pytest.mark.parametrize(
    ("endpoint", "remote_id"), [("/v1/completions", "cmpl-r1-0"), ("/v1/chat/completions", "chatcmpl-r1")]
)
def test_nixl_push_names_the_writer_beforehand(endpoint: str, remote_id: str) -> None:
    connector = CONNECTORS["nixl_push"]
    assert connector.sends_together
    assert connector.decode_body(BODY, "r1", None, PREFILL, endpoint)["kv_transfer_params"] == {
        "do_remote_decode": False,
        "do_remote_prefill": True,
        "remote_engine_id": "engine-p",
        "remote_request_id": remote_id,
        "remote_block_ids": None,
        "remote_host": "10.0.0.1",
        "remote_port": 21001,
        "tp_size": 2,
        "transfer_id": "r1",
    }


def test_p2p_nccl_puts_both_addresses_into_the_request_id() -> None:
    """What vLLM reads with `___prefill_addr_(.*):(\\d+)___` and `___decode_addr_(.*):(\\d+)`."""
    request_id = CONNECTORS["p2p_nccl"].request_id("user:77", PREFILL, DECODE)
    prefill = re.search(r"___prefill_addr_(.*):(\d+)___", request_id)
    decode = re.search(r"___decode_addr_(.*):(\d+)", request_id)
    assert prefill is not None
    assert decode is not None
    assert prefill.groups() == ("10.0.0.1", "21001")
    assert decode.groups() == ("10.0.0.2", "22001")
    assert request_id != CONNECTORS["p2p_nccl"].request_id("user:77", PREFILL, DECODE)


@pytest.mark.parametrize("name", ["example", "nixl", "nixl_push"])
def test_others_keep_the_request_id(name: str) -> None:
    assert CONNECTORS[name].request_id("r1", PREFILL, DECODE) == "r1"
