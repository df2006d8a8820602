"""Whether recording everything disturbs an engine: TBT of one load with and without the two fine streams, interleaved.

    PYTHONPATH=workflow python bench/sampler/on_engine.py --url http://127.0.0.1:8000 --model NAME [--json FILE]

The engine runs already. The same closed loop (same prompts) is sent again and again, each time with a sampler of its
own: in pairs, one with all streams and one without power samples and GPM, and which goes first alternates. Printed is
the ratio of the median TBT of each pair, their mean with its interval, and what the sampler missed and cost. Target of
the project: no difference above 0.2 %. Nothing is set on the GPU.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import stats

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow")]

from llmdvfs.records.load import LoadSpec  # noqa: E402
from llmdvfs.records.request import RequestRecord  # noqa: E402
from llmdvfs.records.spec import ArrivalSpec, LengthSpec, PromptSpec, WorkloadSpec  # noqa: E402
from llmdvfs.records.store import read_lines, write_record  # noqa: E402
from llmdvfs.telemetry.device import Cadence  # noqa: E402
from llmdvfs.telemetry.sampler import start_sampler  # noqa: E402

FINE: tuple[Cadence, ...] = ("activity", "samples")
SKIPPED_TOKENS = 8  # of each answer: the places fill, and prompts are prefilled beside the first tokens


@dataclass(frozen=True, slots=True)
class Run:
    """One load beside one sampler."""

    tbt_p50_s: float
    num_gaps: int
    missed_fraction: float
    sampler_cpu_s: float


def workload(concurrency: int, output_tokens: int) -> WorkloadSpec:
    """Return one answer for each place of a closed loop: the batch stays the same until the last decode step."""
    prompts = PromptSpec("random", LengthSpec("fixed", 64), LengthSpec("fixed", output_tokens))
    return WorkloadSpec("tbt", prompts, ArrivalSpec("closed", concurrency=concurrency), concurrency, None)


def run_once(options: argparse.Namespace, folder: Path, without: tuple[Cadence, ...]) -> Run:
    """Send the load once and return its TBT."""
    folder.mkdir(parents=True)
    spec = LoadSpec(workload(options.concurrency, options.tokens), options.url, options.model, None, 1, 1, str(folder))
    write_record(folder / "load_spec.json", spec)
    with start_sampler(folder / "telemetry.jsonl", gpu_indices=options.gpus, without=without) as sampler:
        sampler.wait_ready()
        subprocess.run([sys.executable, "-m", "llmdvfs", "load", str(folder / "load_spec.json")], check=True)
        report = sampler.stop()
    gaps_s = [gap for r in read_lines(folder / "requests.jsonl", RequestRecord) if r.ok for gap in token_gaps_s(r)]
    return Run(statistics.median(gaps_s), len(gaps_s), report.num_missed_slots / max(report.num_slots, 1), report.cpu_s)


def token_gaps_s(request: RequestRecord) -> list[float]:
    """Return the times between tokens of an answer, without those at its begin."""
    return [(after - before) / 1e9 for before, after in pairwise(request.chunk_mono_ns[SKIPPED_TOKENS:])]


def main() -> None:
    """Measure, print, and write the whole as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True, help="name that the engine serves the model under")
    parser.add_argument("--gpus", type=int, nargs="*", help="NVML's indices (default: all)")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=500, help="of each answer")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    runs: dict[str, list[Run]] = {"with": [], "without": []}
    with tempfile.TemporaryDirectory() as name:
        run_once(options, Path(name) / "warm-up", FINE)
        for pair in range(options.pairs):
            for which in ("with", "without") if pair % 2 else ("without", "with"):
                left_out = () if which == "with" else FINE
                runs[which].append(run_once(options, Path(name) / f"{pair}-{which}", left_out))
            if pair and options.json:  # after every pair: a run that is cut off keeps what it has
                options.json.write_text(json.dumps(summary(runs), indent=1) + "\n")
    print(json.dumps(summary(runs), indent=1))


def summary(runs: dict[str, list[Run]]) -> dict[str, object]:
    """Return what two pairs or more say: their ratios, geometric mean, its 95 % interval (t), and all values."""
    ratios = [w.tbt_p50_s / wo.tbt_p50_s for w, wo in zip(runs["with"], runs["without"], strict=True)]
    low, high = stats.ttest_1samp(np.log(ratios), 0.0).confidence_interval(0.95)
    return {
        "ratio": stats.gmean(ratios),
        "ratio_interval": [math.exp(low), math.exp(high)],
        "ratio_median": statistics.median(ratios),
        "ratios": ratios,
        **{f"tbt_p50_s_{which}": [run.tbt_p50_s for run in own] for which, own in runs.items()},
        **{f"missed_fraction_{which}": statistics.fmean(r.missed_fraction for r in own) for which, own in runs.items()},
        **{f"sampler_cpu_s_{which}": statistics.fmean(r.sampler_cpu_s for r in own) for which, own in runs.items()},
        "gaps_a_run": runs["with"][0].num_gaps,
    }


if __name__ == "__main__":
    main()
