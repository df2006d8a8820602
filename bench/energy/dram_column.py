"""Would DRAM activity as a column of the power model make the energy by phase better? Decided by cross-validation.

    python bench/energy/dram_column.py --runs 10

Decode reads the KV of contexts that grow, which no level of the model knows; GPM's DRAM activity (means over 200 ms)
sees it. To the levels that the data support one column is added: activity in decode less its mean there, so that it
explains power within decode and leaves the mean to the levels. A row a load: how often the column predicts held-out
stretches better by more than two standard deviations, and the error of both phases' energy without it and with it.
SIMULATED. About 2 s a load and run.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from engine_sim import NS_PER_S, Counters, SimulatedRun
from loads import Scenario, varied
from phase_error import phases_of

from llmdvfs.analysis.axis.occupancy import Level, Occupancy, occupancy_of
from llmdvfs.analysis.energy.cross_validation import NUM_FOLDS, WORTH, supported_models
from llmdvfs.analysis.energy.device import measure_device
from llmdvfs.analysis.energy.regression_settings import RegressionSettings
from llmdvfs.analysis.energy.role_increments import role_increments
from llmdvfs.records.readings import readings_of

CONTEXT_W = (0.0, 100.0, 300.0)
DRAM = Counters(with_activity=True)
LOADS = {f"{n}, varied": Scenario(varied(n), counters=DRAM) for n in (4, 16, 64)}
LOADS["Poisson 3/s, varied"] = Scenario(varied(rate_rps=3.0), counters=DRAM)
PHASES = ("prefill", "decode")


@dataclass(frozen=True, slots=True)
class Found:
    """One run; errors are relative, of the energies of PHASES."""

    predicts_better: bool
    without: tuple[float, ...]
    with_column: tuple[float, ...]


def found_in(run: SimulatedRun) -> Found:
    """Return what the supported levels give alone and with the column, at the lag that fits best."""
    settings, phases = RegressionSettings(), phases_of(run)
    times = {"started_mono_ns": 0, "window_s": run.window_s, "idle_windows_s": run.idle_windows_s}
    curve = measure_device(readings_of(run.readings).of("gpu0"), "gpu0", "single", "nvml_counter", **times).curve
    assert curve is not None
    occupancy = occupancy_of(phases, "single")
    own = role_increments("single", [curve], occupancy, run.window_s, settings)
    best = int(own.models[-1].sums.profile()[1].argmax())
    rows = own.models[supported_models([model.sums for model in own.models], best)[0]].rows
    lag_s = float(settings.lags_s[best])
    of_phase = rows.level_of_phase()
    levels_s = rows.seconds(lag_s)
    decode_s = levels_s @ of_phase[:, rows.phases.index("decode")]
    before, after = (activity_before(run, occupancy, t_s - lag_s) for t_s in (rows.begin_s, rows.end_s))
    active_s = after - before
    column = active_s - active_s.sum() / decode_s.sum() * decode_s
    designs = (levels_s, np.column_stack([levels_s, column]))
    block = ((rows.begin_s - run.window_s[0]) // settings.block_s).astype(np.int64)
    errors = [held_out(design, rows.length_s, rows.energy_j, block) for design in designs]
    noise = errors[0] / len(block)

    def relative_errors(design: np.ndarray) -> tuple[float, ...]:
        powers_w = fitted(design, rows.length_s, rows.energy_j)[: levels_s.shape[1]]
        phase_w = (levels_s * powers_w).sum(axis=0) @ of_phase / (levels_s.sum(axis=0) @ of_phase)
        return tuple(
            float(phase_w[rows.phases.index(phase)]) * own.spent_s[phase] / run.true_j("single", phase) - 1
            for phase in PHASES  # type: ignore[index]
        )

    return Found(errors[1] < errors[0] - WORTH * noise, *(relative_errors(design) for design in designs))


def activity_before(run: SimulatedRun, occupancy: Occupancy, t_s: np.ndarray) -> np.ndarray:
    """Return the integral of DRAM activity over the decode time before each instant [s]."""
    active = [reading for reading in run.readings if "dram_active_fraction" in reading.values]
    begin_s = np.array([reading.begin_mono_ns for reading in active]) / NS_PER_S
    mean = np.array([reading.values["dram_active_fraction"] for reading in active], dtype=float)
    edge_s = np.union1d(occupancy.edge_s, begin_s)
    middle_s = (edge_s[:-1] + edge_s[1:]) / 2
    now = mean[np.clip(np.searchsorted(begin_s, middle_s) - 1, 0, len(mean) - 1)]
    in_decode = occupancy.weight_at(Level("decode"), middle_s)
    return np.interp(t_s, edge_s, np.concatenate(([0.0], np.cumsum(now * in_decode * np.diff(edge_s)))))


def fitted(design: np.ndarray, length_s: np.ndarray, energy_j: np.ndarray) -> np.ndarray:
    """Return the least-squares coefficients; an increment's equation is weighted by one over its length."""
    weight = 1 / np.sqrt(length_s)
    return np.linalg.lstsq(design * weight[:, None], energy_j * weight, rcond=None)[0]


def held_out(design: np.ndarray, length_s: np.ndarray, energy_j: np.ndarray, block: np.ndarray) -> float:
    """Return the sum of squared errors [J^2/s] on blocks that the fit had not seen."""
    fold = block * NUM_FOLDS // (block.max() + 1)
    left = 0.0
    for held in range(NUM_FOLDS):
        out = fold == held
        coefficients = fitted(design[~out], length_s[~out], energy_j[~out])
        left += float(((energy_j[out] - design[out] @ coefficients) ** 2 / length_s[out]).sum())
    return left


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args()
    print("| load | context, W | predicts better | prefill, without % | with % | decode, without % | with % |")
    print("|---|---|---|---|---|---|---|")
    for name, load in LOADS.items():
        for context_w in CONTEXT_W:
            scenario = replace(load, engine=replace(load.engine, context_w=context_w))
            found = [found_in(scenario.run(seed)) for seed in range(options.runs)]
            cells = [
                f"{100 * np.mean(errors):+.3f} ± {100 * np.std(errors):.3f}"
                for position in range(len(PHASES))
                for errors in ([f.without[position] for f in found], [f.with_column[position] for f in found])
            ]
            better = sum(f.predicts_better for f in found)
            print(f"| {name} | {context_w:.0f} | {better} of {len(found)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
