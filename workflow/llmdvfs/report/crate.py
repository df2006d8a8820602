"""A results folder as an RO-Crate: what its files are, of which run of which program, for archives and search engines.

The file is that of RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) with a run as the Process Run Crate profile 0.5 of the
Workflow Run RO-Crate collection describes one.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from llmdvfs import __version__
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.run import RunRecord

METADATA = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
PROGRAM = "#llm-dvfs"
RUN = "#run"
KINDS = {
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".html": "text/html",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".yaml": "application/yaml",
}


def crate(comparison: ComparisonRecord, runs: Sequence[RunRecord], sizes: Mapping[str, int]) -> dict[str, Any]:
    """Return the content of ro-crate-metadata.json.

    runs: the run.json of every measured cell, one at least; sizes: bytes of every file that is told, by its path below
    the results folder, with `/` between the parts.
    """
    begin, end = min(run.started_unix_s for run in runs), max(run.started_unix_s for run in runs)
    files = [_file(path, size) for path, size in sorted(sizes.items())]
    engines = _engines(runs)
    deployments = sorted({run.deployment.id for run in runs})
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Power, energy and latency of LLM serving: {', '.join(deployments)}",
        "description": " ".join(comparison.verdict) or "Measurements of LLM serving.",
        "datePublished": _instant(end)[:10],
        "conformsTo": {"@id": PROFILE},
        "hasPart": _references(files),
        "mentions": {"@id": RUN},
        "keywords": "LLM serving, energy, power, latency, vLLM, DVFS",
    }
    run = {
        "@id": RUN,
        "@type": "CreateAction",
        "name": "Measurement, analysis and comparison",
        "instrument": {"@id": PROGRAM},
        "startTime": _instant(begin),
        "endTime": _instant(end),
        "result": _references(files),
    }
    program = {
        "@id": PROGRAM,
        "@type": "SoftwareApplication",
        "name": "llm-dvfs",
        "softwareVersion": __version__,
        "license": {"@id": "https://spdx.org/licenses/MIT"},
        "softwareRequirements": _references(engines),
    }
    metadata = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": [{"@id": SPECIFICATION}, {"@id": PROFILE}],
    }
    profile = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    licence = {"@id": "https://spdx.org/licenses/MIT", "@type": "CreativeWork", "name": "MIT License"}
    graph = [metadata, root, run, program, *engines, profile, licence, *files]
    return {"@context": f"{SPECIFICATION}/context", "@graph": graph}


def _file(path: str, size: int) -> dict[str, Any]:
    kind = KINDS.get(PurePosixPath(path).suffix)
    told = {"@id": path, "@type": "File", "name": PurePosixPath(path).name, "contentSize": str(size)}
    return {**told, "encodingFormat": kind} if kind else told


def _engines(runs: Iterable[RunRecord]) -> list[dict[str, Any]]:
    """Return vLLM, torch and Python in each version that served."""
    found = sorted({item for run in runs for item in run.server_start.engine_versions.items()})
    return [
        {"@id": f"#{name}-{version}", "@type": "SoftwareApplication", "name": name, "softwareVersion": version}
        for name, version in found
    ]


def _references(entities: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{"@id": str(entity["@id"])} for entity in entities]


def _instant(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds")
