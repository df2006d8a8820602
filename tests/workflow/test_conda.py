"""`--sdm conda` by Snakemake's own code, with a scripted `conda` that makes an empty environment and no download."""

import os
import subprocess
from pathlib import Path

import pytest
from workflow.conftest import CHECKOUT, RUN_LIMIT_S, SNAKEMAKE

CONDA = """#!/usr/bin/env bash
# conda: what Snakemake asks of it, and an environment whose python notes how pip is called
case "$1" in
  --version) echo "conda 25.1.0" ;;
  info) echo '{{"conda_prefix": "{base}", "platform": "linux-64"}}' ;;
  config) echo '{{"get": {{"channel_priority": "strict"}}}}' ;;
  *) while [ $# -gt 0 ]; do [ "$1" = --prefix ] && prefix=$2; shift; done
     mkdir -p "$prefix/bin" "$prefix/conda-meta"
     printf '#!/bin/sh\\necho "in $PWD: $*" >> {base}/pip.log\\n' > "$prefix/bin/python"
     chmod +x "$prefix/bin/python" ;;
esac
"""
ACTIVATE = 'export PATH="$1/bin:$PATH"\n'
GPU_STUDY = """
architectures: [single]
device: cuda
models: {m: {source: shape, location: qwen3-8b}}
workloads:
  load: {prompts: {prompt_tokens: 8, output_tokens: 8}, arrival: {kind: closed, concurrency: 1}, duration_s: 1}
"""


@pytest.mark.parametrize(
    ("study", "lock", "torch"),
    [("", "cpu.lock", "torch==2.13.0+cpu -r"), (GPU_STUDY, "gpu-vllm-0.23.lock", "--no-deps -r")],
    ids=["cpu", "gpu"],
)
def test_the_environment_gets_the_whole_lock_without_dependencies(
    tmp_path: Path, study: str, lock: str, torch: str
) -> None:
    """conda refuses `--no-deps` in a list of pip, so that no environment came about; GPU studies got the CPU's."""
    base = tmp_path / "base"
    (base / "bin").mkdir(parents=True)
    for name, text in (("conda", CONDA.format(base=base)), ("activate", ACTIVATE)):
        (base / "bin" / name).write_text(text)
        (base / "bin" / name).chmod(0o755)
    (tmp_path / "study.yaml").write_text(study)
    chosen = ["--configfile", str(tmp_path / "study.yaml")] if study else []
    place = ["-s", str(CHECKOUT / "Snakefile"), "-d", str(tmp_path), "--cores", "1"]
    run = subprocess.run(
        [str(SNAKEMAKE), *place, "--sdm", "conda", "--conda-create-envs-only", *chosen],
        env=os.environ | {"PATH": f"{base / 'bin'}:{os.environ['PATH']}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    *_, called = (base / "pip.log").read_text().splitlines()
    assert called.startswith(f"in {CHECKOUT / 'envs'}: -m pip install --no-deps")
    assert called.endswith(f"-r {lock}")
    assert torch in called
