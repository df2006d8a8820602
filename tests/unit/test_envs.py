"""The locks pin everything, once, and have what the project asks for."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "envs").glob("*.lock"))
COMPLETE = [path for path in LOCKS if path.name != "dev.lock"]


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


def test_the_conda_environments_name_locks_that_exist() -> None:
    for path in (ROOT / "envs").glob("*.yaml"):
        named = re.findall(r"-r (\S+)", path.read_text())
        assert named
        assert all((path.parent / lock).is_file() for lock in named)
