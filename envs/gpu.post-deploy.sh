#!/usr/bin/env bash
# Run by Snakemake once, in the environment that it has made of gpu.yaml, from wherever it has copied this file to.
# The lock's digest stands here so that another lock is another environment (tests/unit/test_envs.py holds them together).
set -euo pipefail
cd "$LLMDVFS_ENVS"
echo "6561c23b9a2fd45269a806f614072198cc105da5864644a0dbcd0ca3e76cbaa2  gpu-vllm-0.23.lock" | sha256sum --check --quiet
python -m pip install --no-deps \
  -r gpu-vllm-0.23.lock
