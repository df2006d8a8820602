"""Fingerprints of the files that a workload names: another content is another measurement, whatever the name."""

import hashlib
from functools import lru_cache
from pathlib import Path

from llmdvfs.inputs.datasets import CHINESE_PROMPTS
from llmdvfs.records.spec import WorkloadSpec

Stamp = tuple[str, int, int]
"""A file's path, size and time of change [ns]: while they stay, so does the content."""


def study_files(workload: WorkloadSpec) -> list[Path]:
    """Return the files and folders that decide what is asked and when: trace and data set, as far as there are."""
    named = [workload.arrival.trace_path, workload.prompts.path]
    files = [Path(name) for name in named if name is not None]
    return [*files, CHINESE_PROMPTS] if workload.prompts.source == "chinese" else files


def content_fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file's content in hex; of a folder, over names and contents of its JSON files.

    Neither path nor times are in it, so that a copy has the same one. A file is read once a process, and again when its
    size or time changes. Raises OSError where there is no such file.
    """
    if not path.is_dir():
        return _digest(_stamp(path))
    whole = hashlib.sha256()
    for file in sorted(path.glob("*.json")):
        whole.update(f"{file.name}\0{_digest(_stamp(file))}\0".encode())
    return whole.hexdigest()


def _stamp(path: Path) -> Stamp:
    stat = path.stat()
    return str(path.resolve()), stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=1024)
def _digest(stamp: Stamp) -> str:
    with Path(stamp[0]).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
