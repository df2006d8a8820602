#!/usr/bin/env bash
# snakemake-executor-plugin-slurm 2.8.0 refuses GPU types with a hyphen, in `gres` and in `gpu_model`, although SLURM takes them:
# `AutoDetect=nvml` in gres.conf gives GPUs such names by itself (a100-sxm4-80gb, nvidia_h100_80gb_hbm3 where the driver writes
# blanks). The message calls the format invalid. A type without a hyphen passes.
#
# Seen (2026-11-27, Python 3.11): a100: taken; gres a100-sxm4-80gb: WorkflowError; gpu_model a100-sxm4-80gb: WorkflowError
# Needs: python3 >= 3.11, pip; no SLURM. Exits 1 when the behaviour is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install snakemake==9.27.1 snakemake-executor-plugin-slurm==2.8.0
cat > "$work/ask.py" <<'PY'
import sys
from importlib.metadata import version
from types import SimpleNamespace
from snakemake_executor_plugin_slurm.utils import set_gres_string
from snakemake_interface_common.exceptions import WorkflowError

class Resources(dict):
    __getattr__ = dict.__getitem__

def ask(**resources):
    try:
        return "taken as" + set_gres_string(SimpleNamespace(resources=Resources(resources)))
    except WorkflowError as error:
        return type(error).__name__

print(version("snakemake-executor-plugin-slurm"))
said = [ask(gres="gpu:a100:2"), ask(gres="gpu:a100-sxm4-80gb:2"), ask(gpu_model="a100-sxm4-80gb", gpu=2)]
print("gres a100: %s\ngres a100-sxm4-80gb: %s\ngpu_model a100-sxm4-80gb: %s" % tuple(said))
sys.exit(0 if said == ["taken as --gres=gpu:a100:2", "WorkflowError", "WorkflowError"] else 1)
PY
"$work/venv/bin/python" "$work/ask.py"
