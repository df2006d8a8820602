"""One run of the sampler beside fake GPUs: what it says of itself, and its CPU time after its start."""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests")]

from fakes.nvml import FakeNvml  # noqa: E402

from llmdvfs.records.telemetry import SamplerReport  # noqa: E402
from llmdvfs.telemetry.sampler import start_sampler  # noqa: E402

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class CallCost:
    """How long the driver takes for each of these calls; it computes meanwhile, or sleeps."""

    calls: Sequence[str]
    cost_s: float
    burn: bool = False


@dataclass(frozen=True, slots=True)
class SampledRun:
    """What one run of the sampler cost and missed."""

    report: SamplerReport
    cpu_of_a_core: float

    @property
    def missed_fraction(self) -> float:
        """Return the share of slots that were missed."""
        return self.report.num_missed_slots / self.report.num_slots


def sampled(
    library: Path, num_gpus: int, costs: Sequence[CallCost], seconds: float, **sampler_options: Any
) -> SampledRun:
    """Sample fake GPUs for so long; sampler_options are start_sampler's."""
    with tempfile.TemporaryDirectory() as name:
        fake = FakeNvml(Path(name) / "gpus", num_gpus, library=library)
        for cost in costs:
            fake.set_call_cost(cost.cost_s, list(cost.calls), burn=cost.burn)
        os.environ |= fake.environment()
        with start_sampler(Path(name) / "telemetry.jsonl", **sampler_options) as sampler:
            sampler.wait_ready()
            begin_s, begin_cpu_s = time.monotonic(), cpu_s(sampler.pid)
            time.sleep(seconds)
            used = (cpu_s(sampler.pid) - begin_cpu_s) / (time.monotonic() - begin_s)
            report = sampler.stop()
        fake.close()
    return SampledRun(report, used)


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
