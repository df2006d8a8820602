"""The KV cache that engines say they made: lines of vLLM 0.23 and 0.32, and what they come to by hand."""

import pytest

from llmdvfs.records.run import KvCacheMade
from llmdvfs.serving.instance.kv_cache import kv_cache_made

GIB = 2**30
GPU_LOG = """\
(EngineCore pid=9) INFO 11-27 10:00:00 [gpu_worker.py:436] Available KV cache memory: 55.31 GiB
(EngineCore pid=9) INFO 11-27 10:00:00 [kv_cache_utils.py:1319] GPU KV cache size: 402,752 tokens
(EngineCore pid=9) INFO 11-27 10:00:00 [kv_cache_utils.py:1324] Maximum concurrency for 8,192 tokens per request: 49.16x
"""


def test_memory_over_tokens_is_what_a_token_takes() -> None:
    """Qwen3-8B: 2 x 36 x 8 x 128 x 2 = 147,456 bytes; the log has two decimals of a GiB."""
    made = kv_cache_made(GPU_LOG)
    assert made == KvCacheMade(402_752, int(55.31 * GIB))
    assert made.bytes_per_token == pytest.approx(147_456, rel=1e-3)


def test_a_cpus_log_has_other_words() -> None:
    """The tiny model: 2 x 4 x 2 x 64 x 2 = 2,048 bytes a token, 1 GiB for 524,288 of them."""
    log = (
        "INFO 11-27 19:44:01 [cpu_worker.py:260] Explicitly set (1.0/12.46) GiB for KV cache on node 0.\n"
        "(EngineCore pid=2) INFO 11-27 19:44:01 [kv_cache_utils.py:2327] CPU KV cache size: 524,288 tokens, Maximum "
        "concurrency for 1,024 tokens per request: 512.00x\n"
    )
    made = kv_cache_made(log)
    assert made == KvCacheMade(524_288, GIB)
    assert made.bytes_per_token == 2048


def test_the_worker_with_the_least_memory_counts() -> None:
    second = "(Worker_TP1 pid=10) INFO 11-27 10:00:00 [gpu_worker.py:436] Available KV cache memory: 50.00 GiB\n"
    made = kv_cache_made(second + GPU_LOG)
    assert made is not None
    assert made.memory_bytes == 50 * GIB


def test_a_number_of_blocks_that_was_set_leaves_the_memory_out() -> None:
    made = kv_cache_made(GPU_LOG, has_override=True)
    assert made == KvCacheMade(402_752, None)
    assert made.bytes_per_token is None


def test_a_log_without_the_lines_says_nothing() -> None:
    assert kv_cache_made("INFO 11-27 10:00:00 [core.py:133] Initializing a V1 LLM engine") is None
