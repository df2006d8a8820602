"""Error of the energy by phase against an engine simulated step by step: today's estimator beside one power a phase.

    python bench/energy/phase_error.py --seeds 20

Prints the table of docs/energy.md. Every figure is SIMULATED. About 2 s a scenario and seed on one core.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench" / "energy")]

from engine_sim import Counters, Engine, SimulatedRun, Traffic, simulate  # noqa: E402

from llmdvfs.analysis.axis.phases import phase_intervals  # noqa: E402
from llmdvfs.analysis.axis.role_steps import role_steps  # noqa: E402
from llmdvfs.analysis.energy.cell import EnergySettings, energy_result  # noqa: E402
from llmdvfs.analysis.energy.regression_settings import RegressionSettings  # noqa: E402
from llmdvfs.records.phases import PhasesRecord  # noqa: E402
from llmdvfs.records.result import EnergyResult  # noqa: E402

STEPS = RegressionSettings(num_bootstrap=200)
ONE_POWER = RegressionSettings(num_bootstrap=200, max_models=1)
VARIED = (128, 8192)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load, an engine and its counters."""

    traffic: Traffic = field(default_factory=Traffic)
    engine: Engine = field(default_factory=Engine)
    counters: Counters = field(default_factory=Counters)
    disaggregated: bool = False
    num_gpus: int = 1

    def run(self, seed: int) -> SimulatedRun:
        """Simulate it."""
        return simulate(
            seed,
            self.traffic,
            self.engine,
            self.counters,
            disaggregated=self.disaggregated,
            num_gpus=self.num_gpus,
        )


def varied(in_flight: int = 1, **more: float) -> Traffic:
    """Return a closed loop of prompts from 128 to 8192 tokens and answers from 64 to 256."""
    return Traffic(in_flight, num_prompt_tokens=VARIED, num_output_tokens=(64, 256), **more)


CHUNKED = Engine(chunk_tokens=2048)
OUT_OF_STEP = Counters(apart_s=0.06)
SCENARIOS = {
    "1 in flight, lengths fixed": Scenario(Traffic(1)),
    "1, varied": Scenario(varied(1)),
    "1, fixed, start-up transient": Scenario(Traffic(1), Engine(transient_fraction=0.15)),
    "1, fixed, 3 ms of queue": Scenario(Traffic(1, queue_s=0.003)),
    "1, fixed, edges 0.3 s late": Scenario(Traffic(1), counters=Counters(lag_s=0.3)),
    "4, fixed": Scenario(Traffic(4)),
    "4, varied": Scenario(varied(4)),
    "4, varied, chunked": Scenario(varied(4), CHUNKED),
    "4, varied, counter of 20 ms": Scenario(varied(4), counters=Counters(period_s=0.02, poll_s=0.005)),
    "4, varied, background load": Scenario(varied(4), Engine(background_w=50)),
    "4, varied, two GPUs 60 ms apart": Scenario(varied(4), counters=OUT_OF_STEP, num_gpus=2),
    "16, varied": Scenario(varied(16)),
    "16, varied, chunked": Scenario(varied(16), CHUNKED),
    "16, varied, a tenth fails": Scenario(varied(16, failed_fraction=0.1)),
    "64, varied": Scenario(varied(64)),
    "64, varied, chunked": Scenario(varied(64), CHUNKED),
    "Poisson 3/s, varied, heat, transient": Scenario(
        varied(rate_rps=3.0), Engine(heat_fraction=0.03, transient_fraction=0.15)
    ),
    "1P1D, 1, varied": Scenario(varied(1), disaggregated=True),
    "1P1D, 4, varied": Scenario(varied(4), disaggregated=True),
    "1P1D, 4, varied, counters 60 ms apart": Scenario(varied(4), counters=OUT_OF_STEP, disaggregated=True),
}


def analysed(run: SimulatedRun, seed: int, by_steps: bool) -> EnergyResult:
    """Return what the analysis makes of the run, by engine steps or by the requests' phases at one power each."""
    intervals = phase_intervals(run.requests, run.proxy, started_mono_ns=0)
    told = role_steps(run.requests, run.proxy, dict.fromkeys(run.device_roles.values(), 1), started_mono_ns=0)
    phases = PhasesRecord(
        intervals,
        dict(run.device_roles),
        *run.window_s,
        *run.window_s,
        steps=told.steps if by_steps else (),
        stamp_error_s=told.stamp_error_s,
    )
    return energy_result(
        run.header,
        run.readings,
        phases,
        started_mono_ns=0,
        idle_windows_s=run.idle_windows_s,
        num_prompt_tokens=1,
        num_output_tokens=1,
        num_requests=1,
        mean_e2e_s=None,
        seed_bootstrap=seed,
        settings=EnergySettings(STEPS if by_steps else ONE_POWER),
    )


@dataclass(slots=True)
class Score:
    """How one phase of one role fared over all runs."""

    errors: list[float] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def cell(self) -> str:
        """Return bias ± standard deviation [%], coverage [%] and how many were given."""
        given, runs = len(self.errors), len(self.errors) + len(self.reasons)
        if not given:
            return "null"
        bias, spread = 100 * np.mean(self.errors), 100 * np.std(self.errors)
        told = f"{bias:+.2f} ± {spread:.2f} ({100 * np.mean(self.covered):.0f})"
        return told if given == runs else f"{told}, null in {runs - given} of {runs}"


def scores(scenario: Scenario, seeds: Iterable[int], by_steps: bool) -> dict[str, Score]:
    """Return the score of each phase that lasted, by role and phase."""
    found: dict[str, Score] = {}
    for seed in seeds:
        run = scenario.run(seed)
        for phase in analysed(run, seed, by_steps).phases:
            true_j = run.true_j(phase.role, phase.phase)  # type: ignore[arg-type]
            if true_j < 1.0:  # joules: a phase that the engine never was in has no relative error
                continue
            role = "" if phase.role == "single" else f" ({phase.role} GPU)"
            score = found.setdefault(phase.phase + role, Score())
            energy = phase.energy_j
            if energy.value is None or energy.low is None or energy.high is None:
                score.reasons.append(energy.reason or "")
                continue
            score.errors.append(energy.value / true_j - 1)
            score.covered.append(energy.low <= true_j <= energy.high)
    return found


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--loads", type=int, nargs=2, default=(0, None), metavar=("FIRST", "END"), help="of all")
    parser.add_argument("--reasons", action="store_true", help="print why phases are null")
    options = parser.parse_args()
    print("| load | phase | one power a phase, by requests | by engine steps |\n|---|---|---|---|")
    for name, scenario in list(SCENARIOS.items())[slice(*options.loads)]:
        before, now = (scores(scenario, range(options.seeds), by_steps) for by_steps in (False, True))
        for phase, score in now.items():
            print(f"| {name} | {phase} | {before.get(phase, Score()).cell()} | {score.cell()} |", flush=True)
            if options.reasons:
                print("\n".join(sorted(set(score.reasons))))


if __name__ == "__main__":
    main()
