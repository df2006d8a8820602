"""The driver's power samples (one in 20 ms) against the truth, where prefills are shorter than a counter's refresh.

    python bench/energy/fine_error.py --seeds 3

A row a length of the prompt, one request at a time: the power of prefill by the samples and by the counter's
regression, and what the samples say of themselves. Everything is SIMULATED. About 2 s a row and seed.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from engine_sim import Counters, Engine, SimulatedRun, Traffic
from loads import Scenario
from phase_error import analysed

TRANSIENT_FRACTION = 0.15
PROMPTS = (256, 512, 1024, 2048, 4096)


@dataclass(frozen=True, slots=True)
class Found:
    """One run; errors are relative to the true mean power of the prefills, None where a power is null."""

    samples_error: float | None
    regression_error: float | None
    transient_fraction: float | None
    blind_fraction: float
    aliasing_fraction: float | None


def found_in(run: SimulatedRun, seed: int) -> Found:
    """Return what both ways say of the prefills of a run."""
    result = analysed(run, seed)
    told = next(phase for phase in result.phases if phase.phase == "prefill")
    fine = result.fine[0]
    by_samples = next(phase for phase in fine.phases if phase.phase == "prefill").power_w.value
    true_w = run.true_j("single", "prefill") / true_s(run, "prefill")
    return Found(
        None if by_samples is None else by_samples / true_w - 1,
        None if told.power_w.value is None else told.power_w.value / true_w - 1,
        fine.transient_fraction,
        fine.blind_fraction,
        fine.aliasing_fraction,
    )


def true_s(run: SimulatedRun, kind: str) -> float:
    """Return how long the only GPU was in steps of this kind inside the window."""
    edges_s, _, kinds = run.truth["gpu0"]
    return float(np.diff(np.clip(edges_s, *run.window_s))[kinds == kind].sum())


def mean_of(values: Sequence[float | None]) -> str:
    """Return mean ± standard deviation in percent, and how many were null."""
    known = [100 * value for value in values if value is not None]
    nulls = f", null in {len(values) - len(known)} of {len(values)}" if len(known) < len(values) else ""
    return f"{np.mean(known):+.2f} ± {np.std(known):.2f}{nulls}" if known else "null"


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print("| tokens | prefill, ms | power by samples, % | by regression, % | transient, % | blind, % | aliasing, % |")
    print("|---|---|---|---|---|---|---|")
    engine = Engine(transient_fraction=TRANSIENT_FRACTION)
    for tokens in PROMPTS:
        traffic = Traffic(1, num_prompt_tokens=(tokens, tokens), num_output_tokens=(32, 64))
        scenario = Scenario(traffic, engine, Counters(with_samples=True))
        rows = [found_in(scenario.run(seed), seed) for seed in range(options.seeds)]
        print(
            f"| {tokens} | {1e3 * (0.004 + tokens * engine.prefill_s_a_token):.0f} "
            f"| {mean_of([row.samples_error for row in rows])} | {mean_of([row.regression_error for row in rows])} "
            f"| {mean_of([row.transient_fraction for row in rows])} | {mean_of([row.blind_fraction for row in rows])} "
            f"| {mean_of([row.aliasing_fraction for row in rows])} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
