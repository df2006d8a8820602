"""What the estimator of commit 124d028 makes of the runs of phase_error.py: each phase at one power, by requests.

    git worktree add /tmp/older 124d028
    PYTHONPATH=/tmp/older/workflow python bench/energy/older_estimator.py --runs 0 20 --keep older.jsonl

It runs in that checkout's library, on the same simulated requests and readings. About 1 s a load and run.
"""

import argparse
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from loads import SCENARIOS, scenario_of_run
from scored import Row, keep, rows_of

from llmdvfs.records.phases import PhasesRecord

older_energy = import_module("llmdvfs.analysis.energy")  # rooms and names are that checkout's
older_phases = import_module("llmdvfs.analysis.phases")


def simulated_rows(runs: range, loads: list[str], fresh: bool) -> Iterator[Row]:
    """Yield the rows of each load and run."""
    for run in runs:
        for load in loads:
            scenario, seed = scenario_of_run(load, run, fresh)
            simulated = scenario.run(seed)
            intervals = older_phases.phase_intervals(simulated.requests, simulated.proxy, started_mono_ns=0)
            window = (*simulated.window_s, *simulated.window_s)
            result = older_energy.energy_result(
                simulated.header,
                simulated.readings,
                PhasesRecord(intervals, dict(simulated.device_roles), *window),
                started_mono_ns=0,
                idle_windows_s=simulated.idle_windows_s,
                num_prompt_tokens=1,
                num_output_tokens=1,
                num_requests=1,
                mean_e2e_s=None,
                seed_bootstrap=run,
                settings=older_energy.EnergySettings(),
            )
            yield from rows_of(load, run, simulated, result.phases)


def main() -> None:
    """Simulate and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs=2, required=True, metavar=("FIRST", "END"))
    parser.add_argument("--loads", type=int, nargs=2, default=(0, None), metavar=("FIRST", "END"), help="of all")
    parser.add_argument("--fresh", action="store_true", help="an engine and counters of its own in each run")
    parser.add_argument("--keep", type=Path, required=True)
    options = parser.parse_args()
    keep(simulated_rows(range(*options.runs), list(SCENARIOS)[slice(*options.loads)], options.fresh), options.keep)


if __name__ == "__main__":
    main()
