"""`--sdm conda` with a real solver and installer (rattler): the environment is made, and a rule runs in it.

Needs py-rattler (envs/dev.lock) and Python 3.11, which envs/*.yaml ask for. The channel is a folder: this Python and
its pip as conda packages. The wheels of the lock are empty but for a pointer to the packages that run the tests.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.conda.channel import make_channel
from fakes.conda.wheels import make_wheels
from workflow.conftest import CHECKOUT, RUN_LIMIT_S, SNAKEMAKE

rattler = pytest.importorskip(
    "rattler", reason="no py-rattler (envs/dev.lock): --sdm conda not tried with a real solver"
)
pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="envs/*.yaml ask for Python 3.11")

CONDA = f"""#!/bin/sh
PYTHONPATH={Path(rattler.__file__).parents[1]} exec {sys.executable} {CHECKOUT / "tests/fakes/conda/conda.py"} "$@"
"""
ACTIVATE = 'eval "$({base}/bin/conda activate "$1")"\n'


def test_a_rule_runs_in_the_environment_that_a_solver_has_made(tmp_path: Path) -> None:
    """With a scripted conda nothing said whether an environment made of envs/cpu.yaml can run a rule."""
    base = tmp_path / "base"
    (base / "bin").mkdir(parents=True)
    for name, text in (("conda", CONDA), ("activate", ACTIVATE.format(base=base))):
        (base / "bin" / name).write_text(text)
        (base / "bin" / name).chmod(0o755)
    make_channel(tmp_path / "channels" / "conda-forge")
    packages = make_wheels(CHECKOUT / "envs" / "cpu.lock", "torch==2.13.0+cpu", tmp_path / "wheels")
    launch = "results/deployments/single_tiny/launch.json"
    place = ["-s", str(CHECKOUT / "Snakefile"), "-d", str(tmp_path), "--sdm", "conda", "--cores", "1"]
    run = subprocess.run(
        [str(SNAKEMAKE), *place, launch],
        env=os.environ
        | {"PATH": f"{base / 'bin'}:{os.environ['PATH']}"}
        | {"CONDA_ROOT": str(base)}
        | {"CONDA_CHANNEL_ALIAS": f"file://{tmp_path}/channels/", "CONDA_PKGS_DIRS": str(tmp_path / "packages")}
        | {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    [environment] = {path.parent.parent for path in (tmp_path / ".snakemake/conda").glob("*/bin/python")}
    # The channel also has a Python 3.99, which is no 3.11: who takes the newest gets one that ends with 99.
    solved = {json.loads(path.read_text())["name"] for path in (environment / "conda-meta").glob("*.json")}
    assert solved == {"python", "pip"}
    assert len([*environment.glob("lib/python3.11/site-packages/*.dist-info")]) == packages + 1  # and pip's own
    written = json.loads((tmp_path / launch).read_text())
    [instance] = written["instances"]
    assert instance["argv"][0].startswith(str(environment)), instance["argv"]
