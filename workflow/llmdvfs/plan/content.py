"""What is in the files that a workload is made from: a measurement's key needs the content, not the path alone."""

import hashlib
from functools import cache
from pathlib import Path

from llmdvfs.records.spec import WorkloadSpec

CHINESE_PROMPTS = Path(__file__).parents[1] / "load" / "schedule" / "chinese_prompts.json"


def study_files(workload: WorkloadSpec) -> list[Path]:
    """Return the files and folders that decide what the workload asks: its data set, its trace."""
    named = [workload.prompts.path, workload.arrival.trace_path]
    files = [Path(path) for path in named if path is not None]
    return [*files, CHINESE_PROMPTS] if workload.prompts.source == "chinese" else files


def content_fingerprint(path: Path) -> str:
    """Return 16 hex digits of the SHA-256 of a file's bytes, or of the names and bytes of a folder's files."""
    if path.is_dir():
        parts = [f"{file.name} {content_fingerprint(file)}" for file in sorted(path.iterdir()) if file.is_file()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    seen = path.stat()
    return _of_file(path, seen.st_size, seen.st_mtime_ns)


@cache
def _of_file(path: Path, size_bytes: int, changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
