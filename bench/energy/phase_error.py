"""Error of the energy by phase against an engine simulated step by step, and whether its intervals hold the truth.

    python bench/energy/phase_error.py --runs 0 20 --keep chosen.jsonl              # one engine, 20 runs of each load
    python bench/energy/phase_error.py --runs 0 20 --fresh --keep fresh.jsonl       # an engine of its own in each run
    python bench/energy/phase_error.py --runs 0 8 --fresh --samples --lost 0.2 --keep busy.jsonl  # a busy host
    python bench/energy/phase_error.py --table chosen.jsonl --older older.jsonl     # what all runs in the files say

--fresh: each run draws its own engine (powers and the law by which they grow with the batch, step times, chunks,
transient and heat) and its own counters (lag, jitter, polls, the client's delay). --older: rows that
older_estimator.py made of the same runs. The tables of docs/energy.md are made so. Every figure is SIMULATED. About
2 s a load and run on one core.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench" / "energy")]

from engine_sim import SimulatedRun  # noqa: E402
from loads import SCENARIOS, scenario_of_run  # noqa: E402
from scored import Row, keep, kept, rows_of, table  # noqa: E402

from llmdvfs.analysis.axis.phases import phase_intervals  # noqa: E402
from llmdvfs.analysis.axis.role_steps import role_steps  # noqa: E402
from llmdvfs.analysis.energy.cell import EnergySettings, energy_result  # noqa: E402
from llmdvfs.records.phases import PhasesRecord  # noqa: E402
from llmdvfs.records.readings import readings_of  # noqa: E402
from llmdvfs.records.result import EnergyResult  # noqa: E402


def phases_of(run: SimulatedRun) -> PhasesRecord:
    """Return the phases that the analysis tells from the run's stamps."""
    told = role_steps(run.requests, run.proxy, dict.fromkeys(run.device_roles.values(), 1), started_mono_ns=0)
    return PhasesRecord(
        phase_intervals(run.requests, run.proxy, started_mono_ns=0),
        dict(run.device_roles),
        *run.window_s,
        *run.window_s,
        steps=told.steps,
        steps_untold=told.untold,
        stamp_error_s=told.stamp_error_s,
    )


def analysed(run: SimulatedRun, seed: int) -> EnergyResult:
    """Return what the analysis makes of the run, with the settings that every user gets."""
    return energy_result(
        run.header,
        readings_of(run.readings),
        phases_of(run),
        started_mono_ns=0,
        idle_windows_s=run.idle_windows_s,
        num_prompt_tokens=1,
        num_output_tokens=1,
        num_requests=1,
        mean_e2e_s=None,
        seed_bootstrap=seed,
        settings=EnergySettings(),
    )


def simulated_rows(
    runs: range, loads: list[str], fresh: bool, with_samples: bool, lost_fraction: float
) -> Iterator[Row]:
    """Yield the rows of each load and run.

    with_samples: the driver's own power samples are recorded beside. lost_fraction: of the counter's polls.
    """
    for run in runs:
        for load in loads:
            scenario, seed = scenario_of_run(load, run, fresh)
            scenario = replace(
                scenario, counters=replace(scenario.counters, with_samples=with_samples, lost_fraction=lost_fraction)
            )
            simulated = scenario.run(seed)
            yield from rows_of(load, run, simulated, analysed(simulated, run).phases)


def main() -> None:
    """Simulate and keep, or print what was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs=2, metavar=("FIRST", "END"), help="numbers of the runs, END not made")
    parser.add_argument("--loads", type=int, nargs=2, default=(0, None), metavar=("FIRST", "END"), help="of all")
    parser.add_argument("--fresh", action="store_true", help="an engine and counters of its own in each run")
    parser.add_argument("--samples", action="store_true", help="record the driver's own power samples beside")
    parser.add_argument("--lost", type=float, default=0.0, help="fraction of the polls that a busy host loses")
    parser.add_argument("--keep", type=Path, help="file to which the rows of --runs are added")
    parser.add_argument("--table", type=Path, nargs="*", default=[], help="files of kept rows")
    parser.add_argument("--older", type=Path, nargs="*", default=[], help="rows of another estimator, beside them")
    parser.add_argument("--sensor", choices=("energy", "power_samples"), help="only phases told by this one")
    parser.add_argument("--reasons", action="store_true", help="print why phases are null")
    options = parser.parse_args()
    if options.runs and options.keep:
        loads = list(SCENARIOS)[slice(*options.loads)]
        keep(simulated_rows(range(*options.runs), loads, options.fresh, options.samples, options.lost), options.keep)
    if options.table:
        rows = [row for row in kept(options.table) if options.sensor in (None, row.sensor)]
        print("\n".join(table(rows, kept(options.older))))
        if options.reasons:
            print("\n".join(sorted({f"{row.load}: {row.phase}: {row.reason}" for row in rows if row.reason})))


if __name__ == "__main__":
    main()
