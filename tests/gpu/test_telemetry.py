"""The telemetry on real GPUs. Nothing is set, only watched.

Everything runs in child processes: this one may have loaded the fake driver for other tests.
"""

import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmdvfs.records.telemetry import Reading
from llmdvfs.records.telemetry_file import read_telemetry
from llmdvfs.telemetry.sampler import start_sampler

pytestmark = pytest.mark.gpu

OBSERVE = """
import json
import os
from dataclasses import asdict
from llmdvfs.telemetry.nvml import NvmlGpu, num_gpus
from llmdvfs.telemetry.processes import gpu_processes
from llmdvfs.telemetry.topology import gpu_links
indices = range(num_gpus())
print(json.dumps({
    "details": [NvmlGpu(index).details() for index in indices],
    "links": [asdict(link) for link in gpu_links(indices)],
    "processes": [[asdict(process) for process in gpu_processes(index)] for index in indices],
}))
"""


def observe() -> dict[str, list[object]]:
    """Details, links and processes of all GPUs; skips the test where there is none."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run([sys.executable, "-c", OBSERVE], env=environment, capture_output=True, text=True)
    if child.returncode != 0 and "NVML" in child.stderr:
        pytest.skip(f"no GPU: {child.stderr.strip().splitlines()[-1]}")
    assert child.returncode == 0, child.stderr
    found: dict[str, list[object]] = json.loads(child.stdout)
    print(json.dumps(found, indent=1))
    return found


def cost_ms(readings: list[Reading]) -> list[float]:
    return sorted((reading.end_mono_ns - reading.begin_mono_ns) / 1e6 for reading in readings)


def test_ten_seconds_at_ten_milliseconds(tmp_path: Path) -> None:
    before = observe()
    path = tmp_path / "telemetry.jsonl"
    with start_sampler(path, interval_s=0.01) as sampler:
        sampler.wait_ready()
        time.sleep(10)
        report = sampler.stop()
    assert report.error is None
    header, readings = read_telemetry(path)
    gpus = [device.device_id for device in header.devices if device.kind == "gpu"]
    assert len(gpus) == len(before["details"])
    for gpu in gpus:
        states = [r for r in readings if r.device_id == gpu and "sm_clock_mhz" in r.values]
        counters = [r for r in readings if r.device_id == gpu and set(r.values) == {"energy_j"}]
        links = [r for r in readings if r.device_id == gpu and any(q.startswith("nvlink") for q in r.values)]
        for name, group in (("state", states), ("counter", counters), ("links", links)):
            costs = cost_ms(group)
            if costs:
                print(f"{gpu} {name}: n {len(costs)}, ms p50 {statistics.median(costs):.3f}, max {costs[-1]:.3f}")
        print(gpu, "quantities", sorted({quantity for reading in readings for quantity in reading.values}))
        assert not [reading.errors for reading in states if reading.errors]
        powers = [r.values["power_instant_w"] for r in states]
        assert all(power is not None and 10 < power < 2000 for power in powers)
        memory_powers = [w for r in states if (w := r.values.get("memory_power_w")) is not None]
        print(f"{gpu} memory power: n {len(memory_powers)}, W {sorted(set(memory_powers))[:3]} ...")
        assert all(0 < memory_w < max(w for w in powers if w is not None) for memory_w in memory_powers)
        energies = [r.values["energy_j"] for r in counters]
        assert all(later >= earlier for earlier, later in itertools.pairwise(energies))  # type: ignore[operator]
        updates = [b.begin_mono_ns for a, b in itertools.pairwise(counters) if b.values != a.values]
        period_ms = statistics.median(later - earlier for earlier, later in itertools.pairwise(updates)) / 1e6
        print(f"{gpu} counter updates every {period_ms:.1f} ms")
        assert 20 <= period_ms <= 250
    print(report)
    assert report.num_missed_slots < 0.01 * report.num_slots
    assert observe()["details"] == before["details"]  # limits and modes are as they were


def test_the_monitor_agrees_with_itself(tmp_path: Path) -> None:
    """Counter and integral of power are independent sensors; on an idle or steady GPU they are close."""
    observe()
    output = tmp_path / "o.json"
    command = [sys.executable, "-m", "llmdvfs", "monitor", "--duration", "10", "--json", str(output)]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, check=True)
    record = json.loads(output.read_text())
    assert record["energy_source"] == "nvml_counter"
    for device in record["devices"]:
        if device["device"]["kind"] == "gpu":
            print(device["device"]["device_id"], device["counter_j"], device["integral_j"])
            assert device["integral_j"] == pytest.approx(device["counter_j"], rel=0.15)
