"""The KV cache that an engine says it has made, read from its log: what corrects the forecast (pure).

vLLM logs two lines once its memory is known, the first by each worker (v1/worker/gpu_worker.py), the second by the
engine (v1/core/kv_cache_utils.py): `Available KV cache memory: 55.31 GiB` and `GPU KV cache size: 402,784 tokens`.
"""

import re

from llmdvfs.records.run import KvCacheMade

GIB = 2**30
_MEMORY = re.compile(r"(?:Available KV cache memory: |Explicitly set \()(-?[\d.]+)")  # the latter on a CPU
_TOKENS = re.compile(r"KV cache size: ([\d,]+) tokens")


def kv_cache_made(log: str, *, has_override: bool = False) -> KvCacheMade | None:
    """Return the KV cache of an instance by its log; None: the log does not say it.

    Of several workers the one with the least memory counts, as it does for the engine. has_override: the engine was
    told a number of blocks, and then its memory says nothing of its cache.
    """
    tokens = _TOKENS.findall(log)
    if not tokens:
        return None
    memories = [float(text) for text in _MEMORY.findall(log)]
    memory_bytes = int(min(memories) * GIB) if memories and not has_override else None
    return KvCacheMade(num_tokens=int(tokens[-1].replace(",", "")), memory_bytes=memory_bytes)
