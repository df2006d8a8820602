#!/usr/bin/env bash
# Run by Snakemake once, in the environment that it has made of cpu.yaml, from wherever it has copied this file to.
# The lock's digest stands here so that another lock is another environment (tests/unit/test_envs.py holds them together).
set -euo pipefail
# Snakemake runs this although activation has failed: then `python` is the caller's, and would get the lock.
made=${0%.post-deploy.sh}
python -c 'import os, sys; sys.exit(not os.path.samefile(sys.prefix, sys.argv[1]))' "$made" || {
  echo "$(command -v python) is not of $made: that environment is not active, nothing is installed" >&2
  exit 1
}
cd "$LLMDVFS_ENVS"
echo "9f887aad4a9395408e0341f2b46c3c0a27f0740d91056dd6c157f7e83f8fb679  cpu.lock" | sha256sum --check --quiet
python -m pip install --no-deps \
  --extra-index-url https://download.pytorch.org/whl/cpu torch==2.13.0+cpu \
  -r cpu.lock
