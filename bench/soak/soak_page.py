"""The samples of a soak as tables: what every kind of process held in each launch, and the verdicts."""

import itertools
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from judge import LIMITS, MIB, NUM_SETTLING, Verdict, judge
from watch import Seen, left_over

QUANTITIES = {"rss_bytes": "memory", "num_fds": "descriptors", "num": "processes",
              "num_threads": "threads", "num_files": "files"}  # fmt: skip
EXPECTED_TO_GROW = "results"
LOOPBACK = {"127.0.0.1", "::1"}

Row = tuple[str, str, str, Verdict]
"""Launch, kind of process or place, quantity, verdict."""


def tables(samples: Sequence[dict[str, Any]]) -> list[Row]:
    """Return a verdict for every launch, every kind of process and place, and every quantity."""
    return [row for launch, own in _by_launch(samples).items() for row in _launch_rows(launch, own)]


def _by_launch(samples: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the samples of every launch while its job ran, with cells counted from its own first."""
    launches: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for sample in samples:
        if sample["launch"] and "job" in sample["held"]:
            launches[sample["launch"]].append(sample)
    for own in launches.values():
        first = own[0]["num_cells"]
        for sample in own:
            sample["cell"] = sample["num_cells"] - first
    return launches


def _launch_rows(launch: str, samples: Sequence[dict[str, Any]]) -> Iterable[Row]:
    series: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    last = max(sample["cell"] for sample in samples)
    for sample in samples:
        if sample["cell"] == last:
            continue  # all cells are measured: the servers are being stopped
        found = [(kind, name, value) for kind, held in sample["held"].items() for name, value in held.items()]
        found += [(place, "num_files", num) for place, (num, _) in sample["places"].items()]
        for what, quantity, value in found:
            at = series[what, quantity]
            at[sample["cell"]] = max(at.get(sample["cell"], 0.0), float(value))
    for (what, quantity), at in series.items():
        if what == EXPECTED_TO_GROW:
            continue
        verdict = judge(quantity, list(at), list(at.values()))
        if verdict is not None:
            yield launch, what, quantity, verdict


def report(
    rows: Sequence[Row],
    samples: Sequence[dict[str, Any]],
    conditions: dict[str, Any],
    num_cells: int,
    seen: Seen,
    folder: Path,
) -> tuple[str, list[str]]:
    """Return the page's part, and what failed."""
    failures = [f"{launch}: {what}: {quantity} grows" for launch, what, quantity, verdict in rows if verdict.grows]
    if not any(quantity == "rss_bytes" and what.startswith("server") for _, what, quantity, _ in rows):
        failures.append("no server was watched for long enough to judge its memory")
    failures += _left_by_starts(samples)
    measured = samples[-1]["num_cells"]
    if measured != num_cells:
        failures.append(f"{measured} of {num_cells} cells were measured")
    own = str(folder)
    left = left_over(seen.shared_memory) + [path for path in left_over(seen.written) if not path.startswith(own)]
    failures += [f"left behind: {path}" for path in left]
    public = sorted({f"{kind} on {address}" for kind, address in seen.listening if address not in LOOPBACK})
    failures += [f"listens beyond this host: {text}" for text in public]
    lines = [_conditions_text(conditions, samples, measured), "", *_table(rows), "", *_places(samples), ""]
    lines += [f"Files of `/dev/shm` that the servers had: {len(seen.shared_memory)}; still there: "
              f"{len(left_over(seen.shared_memory))}. Files written outside of the run's own folders and still there: "
              f"{len(left) - len(left_over(seen.shared_memory))}. Addresses that anything listened on: "
              f"{', '.join(sorted({address for _, address in seen.listening})) or 'none seen'}."]  # fmt: skip
    lines += ["", "**" + (f"{len(failures)} failures: {'; '.join(failures)}" if failures else "Nothing grew.") + "**"]
    return "\n".join(lines), failures


def _left_by_starts(samples: Sequence[dict[str, Any]]) -> Iterable[str]:
    """Yield the places with more files after all starts than when the first launch ended, its servers still there."""
    first, *_ = _by_launch(samples).values()
    for place, (num, _) in samples[-1]["places"].items():
        if place != EXPECTED_TO_GROW and num > first[-1]["places"][place][0]:
            yield f"{place} has {num} files at the end, {first[-1]['places'][place][0]} with the first launch"


def _conditions_text(conditions: dict[str, Any], samples: Sequence[dict[str, Any]], measured: int) -> str:
    seconds = samples[-1]["t_s"]
    versions = conditions["versions"]
    return (
        f"{measured} cells in {samples[-1]['num_starts']} server starts, {seconds / 60:.0f} minutes "
        f"({_cell_seconds(samples):.1f} s a cell, the median between two); {conditions['num_cpus']} cores, "
        f"{conditions['memory_bytes'] / 2**30:.0f} GiB, Linux {conditions['kernel']}, vLLM {versions['vllm']}, "
        f"torch {versions['torch']}; load average at the end {conditions['load'][0]:.1f}: other work ran on the host."
    )


def _cell_seconds(samples: Sequence[dict[str, Any]]) -> float:
    begins = {sample["num_cells"]: sample["t_s"] for sample in reversed(samples)}
    instants = [begins[number] for number in sorted(begins)]
    return statistics.median(b - a for a, b in itertools.pairwise(instants))


def _table(rows: Sequence[Row]) -> Iterable[str]:
    """Yield a row for every kind and quantity: the launch in which it grew most."""
    yield f"Growth is over 100 cells, in the launch where it was largest; the first {NUM_SETTLING} cells are left out."
    yield ""
    yield "| what | quantity | first tenth | last tenth | growth | limit | |"
    yield "|---|---|---|---|---|---|---|"
    worst: dict[tuple[str, str], tuple[str, Verdict]] = {}
    for launch, what, quantity, verdict in rows:
        known = worst.get((what, quantity))
        if known is None or verdict.growth - verdict.limit > known[1].growth - known[1].limit:
            worst[what, quantity] = (launch, verdict)
    order = list(QUANTITIES)
    for (what, quantity), (_, v) in sorted(worst.items(), key=lambda item: (item[0][0], order.index(item[0][1]))):
        numbers = " | ".join(_shown(quantity, value) for value in (v.first, v.last, v.growth, v.limit))
        yield f"| {what} | {QUANTITIES[quantity]} | {numbers} | {'**grows**' if v.grows else 'ok'} |"


def _shown(quantity: str, value: float) -> str:
    return f"{value / MIB:.1f} MiB" if quantity.endswith("_bytes") else f"{value:.2f}".rstrip("0").rstrip(".")


def _places(samples: Sequence[dict[str, Any]]) -> Iterable[str]:
    yield "| place | files before | with the first cell | at the end | bytes at the end |"
    yield "|---|---|---|---|---|"
    first = next((sample for sample in samples if sample["num_cells"]), samples[-1])
    for place, (num, size) in samples[-1]["places"].items():
        before, begin = samples[0]["places"][place][0], first["places"][place][0]
        note = (
            "" if place != EXPECTED_TO_GROW else f" ({size / max(1, samples[-1]['num_cells']) / 1024:.0f} KiB a cell)"
        )
        yield f"| {place} | {before} | {begin} | {num} | {size / MIB:.1f} MiB{note} |"


assert set(QUANTITIES) == set(LIMITS)
