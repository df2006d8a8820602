"""Checks of the software: Python, packages, the engine, and the study itself."""

import platform
import sys
from collections.abc import Iterator
from importlib import metadata

from llmdvfs.plan.cells import all_cells, pending_launches
from llmdvfs.plan.study import Study
from llmdvfs.records.counted import counted
from llmdvfs.records.doctor import Check

OLDEST_PYTHON = (3, 11)
PACKAGES = (
    "aiohttp",
    "httptools",
    "jsonschema",
    "jinja2",
    "matplotlib",
    "msgspec",
    "numpy",
    "nvidia-ml-py",
    "orjson",
    "pandas",
    "prometheus-client",
    "psutil",
    "pydantic",
    "pyyaml",
    "quart",
    "requests",
    "safetensors",
    "scipy",
    "snakemake",
    "tokenizers",
    "uvicorn",
    "uvloop",
)
"""The project's own dependencies, as pyproject.toml names them."""
INSTALL = "install it with `make run`, or from envs/cpu.lock"


def python() -> Iterator[Check]:
    """Check the Python that runs the workflow."""
    seen = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        yield Check("Python", "problem", seen, "take Python 3.11 or newer")
    else:
        yield Check("Python", "ok", seen)


def packages() -> Iterator[Check]:
    """Check that the packages are there that the workflow needs."""
    versions = {package: _version(package) for package in PACKAGES}
    missing = [package for package, version in versions.items() if version is None]
    if missing:
        yield Check("packages", "problem", f"missing: {', '.join(missing)}", INSTALL)
    else:
        yield Check("packages", "ok", f"all {len(versions)}, snakemake {versions['snakemake']}")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def study(study: Study) -> Iterator[Check]:
    """Say what the study is, and how much of it is still to be measured."""
    cells, launches = len(list(all_cells(study))), pending_launches(study)
    missing = sum(len(launch.cells) for launch in launches)
    yield Check(
        "configuration",
        "ok",
        f"{', '.join(study.deployments)}: {counted(cells, 'cell')}, {missing} to be measured in "
        f"{counted(len(launches), 'server start')}",
    )


def engine(study: Study) -> Iterator[Check]:
    """Check the engine's Python: its versions, and whether its build fits the device."""
    versions = study.engine_versions
    if not versions:
        yield Check("engine", "ok", "none needed: every deployment is somebody else's endpoint")
        return
    seen = ", ".join(f"{name} {version}" for name, version in versions.items())
    devices = {deployment.device for deployment in study.deployments.values()}
    build = versions.get("torch", "").partition("+")[2]
    if "torch" not in versions:
        yield Check("engine", "problem", f"{seen}: no torch", "install torch beside vLLM, in the same Python")
    elif "cuda" in devices and build == "cpu":
        yield Check(
            "engine", "problem", f"{seen}: a build for CPUs", "install vLLM for your driver; see serving.python"
        )
    elif "cpu" in devices and build.startswith(("cu", "rocm")):
        yield Check("engine", "problem", f"{seen}: a build for GPUs", "take device: cuda, or vLLM's CPU build")
    else:
        yield Check("engine", "ok", seen)
    nixl = sorted(name for name, one in study.deployments.items() if (one.connector or "").startswith("nixl"))
    if nixl and "nixl" not in versions:
        yield Check("connector", "warning", f"no package nixl for {', '.join(nixl)}", "install nixl beside vLLM")


def programs(study: Study) -> Iterator[Check]:
    """Say which programs the study file makes run with this user's rights: programs, arguments, open doors."""
    served = [one for one in study.deployments.values() if one.device != "external"]
    engines = [engine for one in served for engine in one.engine.values()]
    said = [f"runs {python} (serving.python)" for python in sorted({one.python for one in served if one.python})]
    further = sorted({word for engine in engines for word in (*engine.extra_args, *(f"{k}=..." for k in engine.env))})
    if further:
        said.append(f"gives the engine {' '.join(further)}")
    if any(engine.enable_prefix_caching for engine in engines):
        said.append("opens vLLM's development endpoints on loopback, with prefix caching")
    yield Check(
        "programs", "ok", "; ".join(said) or "none of the study's own: this Python's vLLM, as it is started here"
    )
