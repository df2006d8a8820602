"""Whole searches, as `python -m llmdvfs search` decides them, on modelled GPUs whose lowest clock is known: MODELLED.

    python bench/dvfs/study.py [--seeds 20] [--page docs/dvfs.md]

The program's own loop and its own answers run here; cells are formulas (bench/dvfs/truths.py) with noise of 1 % a cell,
0.5 % a launch and a drift of 1 % over a launch, in random order. Beside it the study that a user would list: a grid of
60 MHz in five launches. Time counts 45 s a cell and 90 s a server start, as on a GPU: it is reckoned, not measured.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from truths import COMPUTE_SHARE, HIGH_MHZ, LOW_MHZ, STEP_MHZ, Truth, draw

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench"), str(ROOT / "tests")]

from fakes.searches import Machine  # noqa: E402
from page import host, write_measured  # noqa: E402

from llmdvfs.answers.answer import answers  # noqa: E402
from llmdvfs.answers.choice import Confirmed  # noqa: E402
from llmdvfs.plan.config import complete_config  # noqa: E402
from llmdvfs.plan.study import Study, make_study  # noqa: E402
from llmdvfs.records.answers import Answer  # noqa: E402
from llmdvfs.records.point import OperatingPoint  # noqa: E402
from llmdvfs.records.spec import CellId  # noqa: E402
from llmdvfs.search.drive import search  # noqa: E402

CELL_NOISE, LAUNCH_NOISE, DRIFT = 0.01, 0.005, 0.01
GRID_MHZ = 60
CELL_S, START_S = 45.0, 90.0
ENGINE = {"vllm": "0.33.0", "torch": "2.13.0", "python": "3.11.7"}


@dataclass(frozen=True)
class Outcome:
    """What a study of one GPU at one load came to."""

    regret: float
    saving_error: float
    """Stated minus true saving of the point of lowest energy."""
    covered: bool
    half_width: float
    num_clocks: int
    num_cells: int
    num_starts: int

    @property
    def time_s(self) -> float:
        """Time on the GPU, reckoned."""
        return self.num_cells * CELL_S + self.num_starts * START_S


def study(results: Path, **changes: object) -> Study:
    """Return a study of one load on one GPU."""
    given = yaml.safe_load((ROOT / "config" / "dvfs.yaml").read_text(encoding="utf-8"))
    load = {"prompts": {"prompt_tokens": 32, "output_tokens": 64}, "arrival": {"kind": "closed", "concurrency": 8}}
    given |= {"results": str(results), "architectures": ["single"], "workloads": {"load": {**load, "duration_s": 30}}}
    return make_study(complete_config(given | changes), lambda python: ENGINE)


def noisy(rng: np.random.Generator) -> Callable[[CellId], float]:
    """Return the noise of a machine: of each launch a level and a drift, of each cell its own."""
    launches: dict[int, tuple[float, float]] = {}

    def factor(cell: CellId) -> float:
        level, drift = launches.setdefault(
            cell.launch, (float(rng.normal(0, LAUNCH_NOISE)), DRIFT * float(rng.choice([-1, 1])))
        )
        return math.exp(level + drift * float(rng.uniform()) + float(rng.normal(0, CELL_NOISE)))

    return factor


def searched(truth: Truth, rng: np.random.Generator, results: Path) -> Outcome:
    """Search and confirm by the program's own loop."""
    given = study(results, search={"sm_clock_mhz": {"all": f"{LOW_MHZ}..{HIGH_MHZ}/{STEP_MHZ}"}})
    machine = Machine(given, lambda held: truth.energy_at(held["single"]), truth.held_mhz(HIGH_MHZ), noise=noisy(rng))
    (load,) = search(given, machine.measure, lambda line: None, machine.read).loads
    confirmation = load.confirmation
    confirmed = {}
    if confirmation is not None:
        found = Confirmed(confirmation.chosen, set(confirmation.launches), load.text)
        confirmed = {(load.deployment, load.workload): found}
    (answer,) = answers(machine.measured.values(), confirmed).answers
    return outcome(truth, answer, machine)


def gridded(truth: Truth, rng: np.random.Generator, results: Path) -> Outcome:
    """Measure every point of a grid in five launches, and let the answers choose."""
    clocks = range(LOW_MHZ, HIGH_MHZ + 1, GRID_MHZ)
    listed = study(results, search=None, operating_points={"stock": {}, "all": {"sm_clock_mhz": {"all": list(clocks)}}})
    machine = Machine(listed, lambda held: truth.energy_at(held["single"]), truth.held_mhz(HIGH_MHZ), noise=noisy(rng))
    machine.measure_all()
    (answer,) = answers(machine.measured.values()).answers
    return outcome(truth, answer, machine)


def outcome(truth: Truth, answer: Answer, machine: Machine) -> Outcome:
    """Judge the point of lowest energy and its stated saving by the truth."""
    choice = answer.choices[0]
    points: dict[str, OperatingPoint] = {point.point.id: point.point for point in answer.points}
    clock_mhz = points[choice.point or "stock"].sm_clock_mhz.get("single", HIGH_MHZ)
    best = min(truth.energy_at(clock) for clock in range(LOW_MHZ, HIGH_MHZ + 1, STEP_MHZ))
    saving = 1 - truth.energy_at(clock_mhz) / truth.energy_at(HIGH_MHZ)
    stated = choice.saving
    assert stated.value is not None
    assert stated.low is not None
    assert stated.high is not None
    return Outcome(
        regret=truth.energy_at(clock_mhz) / best - 1,
        saving_error=stated.value - saving,
        covered=stated.low <= saving <= stated.high,
        half_width=(stated.high - stated.low) / 2,
        num_clocks=len({cell.point for cell in machine.asked}),
        num_cells=len(machine.asked),
        num_starts=len({cell.launch for cell in machine.asked}),
    )


WAYS = {"search": searched, "grid": gridded}


def table(num_seeds: int) -> Iterator[str]:
    """Yield the table's lines, one a load and way."""
    yield (
        "| load, MODELLED | way | within 2 % of the best | worst regret | saving off by: mean, worst "
        "| interval holds the truth | half width | points | cells | server starts | GPU time, reckoned |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for load in COMPUTE_SHARE:
        for way, run in WAYS.items():
            done = []
            for seed in range(num_seeds):
                with tempfile.TemporaryDirectory() as folder:
                    done.append(run(draw(load, seed), np.random.default_rng([seed, 7]), Path(folder)))
            yield _line(load, way, done)


def _line(load: str, way: str, done: list[Outcome]) -> str:
    errors = [each.saving_error * 100 for each in done]
    cells = [
        load,
        way,
        f"{sum(each.regret <= 0.02 for each in done)} of {len(done)}",
        f"{max(each.regret for each in done):.2%}",
        f"{np.mean(errors):+.2f}, {max(errors, key=abs):+.2f} points",
        f"{sum(each.covered for each in done)} of {len(done)}",
        f"{np.mean([each.half_width for each in done]) * 100:.2f} points",
        f"{np.mean([each.num_clocks for each in done]):.1f}",
        f"{np.mean([each.num_cells for each in done]):.1f}",
        f"{np.mean([each.num_starts for each in done]):.1f}",
        f"{np.mean([each.time_s for each in done]) / 60:.0f} min",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    lines = []
    for line in table(options.seeds):
        print(line, flush=True)
        lines.append(line)
    if options.page:
        write_measured(
            options.page, "bench/dvfs/study.py", "\n".join([f"MODELLED; simulated on {host()}.", "", *lines])
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
