"""The workflow called from another folder (-s, -d), as a module of somebody else's workflow, and from GitHub."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from workflow.conftest import CHECKOUT, RUN_LIMIT_S, SNAKEMAKE, study


def snakemake(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it in a folder, with the Snakefile that the arguments name or that lies there."""
    command = [str(SNAKEMAKE), "--cores", "2", *arguments]
    env = os.environ | variables
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=RUN_LIMIT_S, check=False
    )


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_without_a_study_it_is_the_default_one(tmp_path: Path, snakefile: str) -> None:
    run = snakemake(tmp_path, "-s", str(CHECKOUT / snakefile), "-d", str(tmp_path), "-n")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "benchmark_disaggregated_tiny_launch_3" in run.stdout
    assert not (tmp_path / "results").exists()


def test_the_small_study_of_the_catalogue_is_planned(tmp_path: Path) -> None:
    """`.test` is where those who look through workflows try one."""
    shutil.copytree(CHECKOUT / ".test", tmp_path / "test")
    run = snakemake(tmp_path, "-s", str(CHECKOUT / "workflow" / "Snakefile"), "-d", str(tmp_path / "test"), "-n")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "benchmark_disaggregated_tiny_launch_1" in run.stdout
    assert "launch_2" not in run.stdout


def test_it_is_a_module_of_another_workflow(tmp_path: Path, endpoint: str) -> None:
    """A module has no `onstart`: what jobs were told in files was once not there."""
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study(endpoint)), encoding="utf-8")
    (tmp_path / "Snakefile").write_text(
        f"""
configfile: "study.yaml"

module power:
    snakefile: "{CHECKOUT / "workflow" / "Snakefile"}"
    config: config

use rule * from power as power_*

rule ours:
    default_target: True
    input: "results/comparison/summary.txt", "results/report.html"
    output: "ours.txt"
    shell: "cp {{input[0]}} {{output}}"
""",
        encoding="utf-8",
    )
    run = snakemake(tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "ours.txt").read_bytes() == (tmp_path / "results/comparison/summary.txt").read_bytes()


def test_it_is_deployed_from_github(tmp_path: Path, endpoint: str) -> None:
    """What `snakedeploy deploy-workflow` writes: a module of which Snakemake fetches the rules, and once no library.

    The clone that Snakemake would make lies in its cache already, so that nothing is fetched.
    """
    if not (CHECKOUT / ".git").exists():
        pytest.skip("no git clone: nothing to deploy from")
    cache = tmp_path / "cache/snakemake/snakemake/source-cache/snakemake-git-cache"
    git = ["git", "-c", "safe.directory=*"]
    clone = [*git, "clone", "--quiet", "--bare", str(CHECKOUT), str(cache / "github.com/somebody/llm-dvfs")]
    subprocess.run(clone, check=True, timeout=RUN_LIMIT_S)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], cwd=CHECKOUT, check=True, capture_output=True, text=True)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(study(endpoint)), encoding="utf-8")
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/Snakefile").write_text(
        f"""
configfile: "config/config.yaml"

module llm_dvfs:
    snakefile:
        github("somebody/llm-dvfs", path="workflow/Snakefile", commit="{commit.stdout.strip()}")
    config:
        config

use rule * from llm_dvfs
""",
        encoding="utf-8",
    )
    launch = "results/deployments/external_tiny/launch.json"
    run = snakemake(tmp_path, launch, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / launch).exists()
    assert (cache / f"llm-dvfs-{commit.stdout.strip()}" / "workflow" / "llmdvfs").is_dir()
