#!/usr/bin/env bash
# Run by Snakemake once, in the environment that it has made of gpu.yaml, from wherever it has copied this file to.
# The lock's digest stands here so that another lock is another environment (tests/unit/test_envs.py holds them together).
set -euo pipefail
# Snakemake runs this although activation has failed: then `python` is the caller's, and would get the lock.
made=${0%.post-deploy.sh}
python -c 'import os, sys; sys.exit(not os.path.samefile(sys.prefix, sys.argv[1]))' "$made" || {
  echo "$(command -v python) is not of $made: that environment is not active, nothing is installed" >&2
  exit 1
}
cd "$LLMDVFS_ENVS"
echo "6561c23b9a2fd45269a806f614072198cc105da5864644a0dbcd0ca3e76cbaa2  gpu-vllm-0.23.lock" | sha256sum --check --quiet
python -m pip install --no-deps \
  -r gpu-vllm-0.23.lock
