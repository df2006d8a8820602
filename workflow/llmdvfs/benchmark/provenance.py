"""With what a measurement was taken: versions."""

import platform
from importlib import metadata

from llmdvfs import __version__

PACKAGES = ("aiohttp", "httptools", "nvidia-ml-py", "quart", "snakemake", "uvicorn", "uvloop")


def measuring_versions() -> dict[str, str]:
    """Return name -> version of this project, its Python and the packages that take part in a measurement."""
    versions = {"llm-dvfs": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
