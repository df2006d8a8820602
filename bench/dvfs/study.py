"""Whole searches, as `python -m llmdvfs search` decides them, on modelled GPUs whose lowest clock is known: MODELLED.

    python bench/dvfs/study.py [--seeds 300] [--grid-seeds 100] [--page docs/dvfs.md]

The program's own loop and its own answers run here; cells are formulas (tests/modelled/truths.py) with noise: 1 % a
cell, 0.5 % a launch and a drift of 1 % over a launch, in random order. Beside it the study that one would list: a grid
of 60 MHz, a cell a point, in as many launches as its intervals need to be as narrow as the search's: six on average of
the loads, seven for each of them. Time is reckoned, not measured on a GPU: windows of 30 s, what
`bench/dvfs/under_load.py` measured beside them, and 90 s a server start, which all loads share in both ways.
"""

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench"), str(ROOT / "tests")]

from fakes.searches import Machine  # noqa: E402
from modelled.truths import COMPUTE_SHARE, HIGH_MHZ, LOW_MHZ, STEP_MHZ, Truth, draw  # noqa: E402
from page import host, marked_page, write_measured  # noqa: E402

from llmdvfs.answers.answer import answers  # noqa: E402
from llmdvfs.answers.choice import Confirmed  # noqa: E402
from llmdvfs.answers.search import CLOCKS_OVER_RANGE  # noqa: E402
from llmdvfs.plan.config import complete_config  # noqa: E402
from llmdvfs.plan.study import Study, make_study  # noqa: E402
from llmdvfs.records.answers import Answer  # noqa: E402
from llmdvfs.records.point import OperatingPoint  # noqa: E402
from llmdvfs.records.spec import CellId  # noqa: E402
from llmdvfs.search.drive import search  # noqa: E402

CELL_NOISE, LAUNCH_NOISE, DRIFT = 0.01, 0.005, 0.01
GRID_MHZ = 60
GRID_LAUNCHES = (6, 7)
WINDOW_S, START_S = 30.0, 90.0
BESIDE_CELL_S = (
    7.2  # docs/dvfs.md#points-under-one-load: a further cell, and a further step of a sweep, beside its window
)
BESIDE_STEP_S = 3.0
ONCE_A_SWEEP_S = 14.0  # 79 s with servers ready, of which five steps of 10 s and what is beside them
IDLE_AT_POINT_S = 1.7  # config/dvfs.yaml: 1 s without load at each point of launch 1, and 0.7 s to set and settle it
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
    num_launches: int


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


def gridded(truth: Truth, rng: np.random.Generator, results: Path, *, num_launches: int) -> Outcome:
    """Measure every point of a grid as a cell of its own in some launches, and let the answers choose."""
    clocks = range(LOW_MHZ, HIGH_MHZ + 1, GRID_MHZ)
    points = {"stock": {}, "all": {"sm_clock_mhz": {"all": list(clocks)}}}
    listed = study(results, search=None, operating_points=points, measure={}, launches=num_launches)
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
        num_launches=len({cell.launch for cell in machine.asked}),
    )


Way = Callable[[Truth, np.random.Generator, Path], Outcome]
GRIDS = {f"grid, {n} launches": partial(gridded, num_launches=n) for n in GRID_LAUNCHES}
WAYS: dict[str, Way] = {"search": searched, **GRIDS}
LARGEST_GRID = list(GRIDS)[-1]


def run_all(num_seeds: int, num_grid_seeds: int) -> dict[str, dict[str, list[Outcome]]]:
    """Return way -> load -> what each seed's study came to; studies run on all cores this process may use."""
    done: dict[str, dict[str, list[Outcome]]] = {}
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for way in WAYS:
            for load in COMPUTE_SHARE:
                seeds = range(num_seeds if way == "search" else num_grid_seeds)
                own = list(pool.map(partial(run_one, way, load), seeds))
                done.setdefault(way, {})[load] = own
                print(_line(load, way, own), flush=True)
    return done


def run_one(way: str, load: str, seed: int) -> Outcome:
    """Return what the study of one seed came to: the same whatever else runs."""
    number = list(COMPUTE_SHARE).index(load)
    with tempfile.TemporaryDirectory() as folder:
        return WAYS[way](draw(load, seed), np.random.default_rng([seed, number, 7]), Path(folder))


def quality(done: dict[str, dict[str, list[Outcome]]]) -> Iterator[str]:
    """Yield the table of what was found, one line a load and way."""
    yield (
        "| load, MODELLED | way | within 2 % of the best | worst regret | saving off by: mean, worst "
        "| interval holds the truth | half width | clocks | cells | launches |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for load in COMPUTE_SHARE:
        for way in ("search", LARGEST_GRID):
            yield _line(load, way, done[way][load])


def costs(done: dict[str, dict[str, list[Outcome]]]) -> Iterator[str]:
    """Yield the table of what a study of all loads costs, one line a way."""
    yield (
        "| five loads, MODELLED | half width | cells | server starts | GPU time, reckoned | of which measured "
        "| the search's share of cells, of time |"
    )
    yield "|---|---|---|---|---|---|---|"
    own_cells, _, own_s = _cost("search", done["search"])
    for way, loads in done.items():
        cells, starts, time_s = _cost(way, loads)
        width = np.mean([each.half_width for own in loads.values() for each in own]) * 100
        shares = "" if way == "search" else f"{own_cells / cells:.1%}, {own_s / time_s:.1%}"
        yield (
            f"| {way} | {width:.2f} points | {cells:.0f} | {starts:.1f} | {time_s / 3600:.2f} h "
            f"| {cells * WINDOW_S / time_s:.0%} | {shares} |"
        )


def _cost(way: str, loads: dict[str, list[Outcome]]) -> tuple[float, float, float]:
    """Return the mean over seeds of cells, server starts and GPU seconds of a study of all loads."""
    by_seed = list(zip(*loads.values(), strict=True))
    cells = float(np.mean([sum(each.num_cells for each in own) for own in by_seed]))
    starts = float(np.mean([max(each.num_launches for each in own) for own in by_seed]))
    if way == "search":
        sweeps = float(np.mean([sum(each.num_launches for each in own) for own in by_seed]))
        idle_s = len(loads) * CLOCKS_OVER_RANGE * IDLE_AT_POINT_S
        return cells, starts, cells * (WINDOW_S + BESIDE_STEP_S) + sweeps * ONCE_A_SWEEP_S + starts * START_S + idle_s
    return cells, starts, cells * (WINDOW_S + BESIDE_CELL_S) + starts * START_S


def _line(load: str, way: str, done: list[Outcome]) -> str:
    errors = [each.saving_error * 100 for each in done]
    num_covered = sum(each.covered for each in done)
    cells = [
        load,
        way,
        f"{sum(each.regret <= 0.02 for each in done)} of {len(done)}",
        f"{max(each.regret for each in done):.2%}",
        f"{np.mean(errors):+.2f}, {max(errors, key=abs):+.2f} points",
        f"{num_covered} of {len(done)} ({num_covered / len(done):.1%})",
        f"{np.mean([each.half_width for each in done]) * 100:.2f} points",
        f"{np.mean([each.num_clocks for each in done]):.1f}",
        f"{np.mean([each.num_cells for each in done]):.1f}",
        f"{np.mean([each.num_launches for each in done]):.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=300, help="of searches")
    parser.add_argument("--grid-seeds", type=int, default=100)
    parser.add_argument("--page", type=marked_page("bench/dvfs/study.py"))
    options = parser.parse_args()
    done = run_all(options.seeds, options.grid_seeds)
    text = "\n".join([*quality(done), "", *costs(done)])
    print(f"\n{text}")
    if options.page:
        write_measured(options.page, "bench/dvfs/study.py", f"MODELLED; simulated on {host()}.\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
