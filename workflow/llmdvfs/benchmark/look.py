"""First look at a cell that was just measured, for the person who watches: over the whole load, without gates.

It reads what was recorded and computes little, so that it delays the next cell by no more than writing does; the
numbers to keep come from the analysis (docs/metrics.md).
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from llmdvfs.clock import NS_PER_S
from llmdvfs.records import raw
from llmdvfs.records.readings import Readings
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record
from llmdvfs.records.telemetry_file import read_in_columns


def first_look(folder: Path) -> str:
    """Return e.g. `TTFT p50 28.3 ms, 185 tokens/s, 2.61 J/token (first look)`, without what was not recorded.

    Raises SchemaError or OSError where a file cannot be read.
    """
    run = read_record(folder / raw.RUN, RunRecord)
    ttfts_s, num_tokens = [], 0
    for request in _ok_requests(folder / raw.REQUESTS):
        ttfts_s.append((request["chunk_mono_ns"][0] - request["scheduled_mono_ns"]) / NS_PER_S)
        num_tokens += sum(request["chunk_num_tokens"])
    length_s = (run.load_end_mono_ns - run.load_begin_mono_ns) / NS_PER_S
    parts = []
    if ttfts_s:
        parts.append(f"TTFT p50 {_number(median(ttfts_s) * 1e3)} ms")
    if num_tokens and length_s > 0:
        parts.append(f"{_number(num_tokens / length_s)} tokens/s")
    devices = {device for instance in run.server_start.instances for device in instance.device_ids}
    _, readings = read_in_columns(folder / raw.TELEMETRY)
    energy_j = counter_energy_j(readings, devices, run.load_begin_mono_ns, run.load_end_mono_ns)
    if energy_j is not None and num_tokens:
        parts.append(f"{_number(energy_j / num_tokens)} J/token")
    return f"{', '.join(parts) or 'nothing to see'} (first look)"


def counter_energy_j(
    readings: Readings, devices: Collection[str], begin_mono_ns: int, end_mono_ns: int
) -> float | None:
    """Return by how much the energy counters of all devices rose [J] between their first and last reading in a span.

    None where a device has fewer than two such readings, or there is no device.
    """
    total_j = 0.0
    for device in devices:
        counter_j = readings.of(device).between(begin_mono_ns, end_mono_ns).column("energy_j").told
        if len(counter_j) < 2:
            return None
        total_j += float(counter_j[-1] - counter_j[0])
    return total_j if devices else None


def _ok_requests(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            request = orjson.loads(line)
            if request["outcome"] == "ok" and request["chunk_mono_ns"]:
                yield request


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
