"""Kills whole searches again and again, at random instants, and looks whether they go on where they were.

    python bench/faults/search_kills.py [--searches 4] [--kills 6] [--seed 1] [--at-once 2] [--page PAGE]

Each search (`python -m llmdvfs search`: Snakemake, job, watchdog, scripted servers, fake GPUs) is killed `--kills`
times with the same command after each, then left alone until it ends. Every other time its Snakemake is killed with it.
After a kill the GPUs must be as they were found within 5 s and no process may be left; what is in the store stays
there, byte for byte, to the end: nothing is measured twice. Exit code 1 where one of that fails. Ten minutes; PAGE is
docs/operating-points.md.
"""

import argparse
import functools
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
from sweep_kills import AS_FOUND, BACK_LIMIT_S

BENCH = Path(__file__).parents[1]
sys.path[:0] = [str(BENCH), str(BENCH.parent / "workflow"), str(BENCH.parent / "tests")]

from fakes.nvml import FakeNvml  # noqa: E402 (the path comes first)
from faults.place import Machine, Place, make_machine  # noqa: E402
from page import host, marked_page, write_measured  # noqa: E402

STUDY = {
    "launches": 2,
    "operating_points": {"stock": {}},
    "search": {"sm_clock_mhz": {"all": "600..1980/15"}, "max_cells": 11},
    "measure": {"idle_s": 0.3, "calibrate_client": False},
    "figures": {"cells": "none"},
}
MAX_NEW_CELLS = 2  # after so many at most, and some time, a search is killed; every fourth one at any time at all
MAX_INSTANT_S = 4.0
NEW_CELLS_LIMIT_S = 300.0
RUN_LIMIT_S = 1800.0
GONE_LIMIT_S = 60.0  # Snakemake may be reading its rules, which takes long on a busy machine


@dataclass(frozen=True)
class Kill:
    """One kill of a search, and what became of the GPU."""

    victims: str
    was_set: bool
    """Whether a clock was set at that instant."""
    num_stored: int
    """Cells in the store at that instant."""
    back_s: float
    gone_s: float
    """Until its last process had ended."""
    problem: str | None = None


@dataclass(frozen=True)
class Searched:
    """One search, to its end."""

    kills: tuple[Kill, ...]
    num_cells: int
    """Cells in the store at the end."""
    problem: str | None


def main() -> int:
    """Run all searches, print the table, and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=4)
    parser.add_argument("--kills", type=int, default=6, help="of each search")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--page", type=marked_page("bench/faults/search_kills.py"))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="llmdvfs-search-kills-"))
    machine = make_machine(folder, FakeNvml.build(folder))
    with ThreadPoolExecutor(options.at_once) as pool:
        done = list(
            pool.map(
                lambda number: search_with_kills(folder, machine, number, options.kills, options.seed),
                range(options.searches),
            )
        )
    shutil.rmtree(folder, ignore_errors=True)
    text = "\n".join(table(done))
    print(text)
    if options.page:
        write_measured(
            options.page, "bench/faults/search_kills.py", f"Fake GPUs, seed {options.seed}; {host()}.\n\n{text}"
        )
    return 1 if any(found.problem or any(kill.problem for kill in found.kills) for found in done) else 0


def search_with_kills(folder: Path, machine: Machine, number: int, num_kills: int, seed: int) -> Searched:
    """Kill one search so often, then let it end."""
    chance = random.Random(f"{seed} {number}")
    place = Place(folder / f"place-{number}", machine, study=STUDY)
    kills: list[Kill] = []
    stored: dict[str, str] = {}
    lost: list[str] = []
    try:
        while len(kills) < num_kills:
            run = place.start("search")
            wanted = num_stored(place) + chance.randint(0, MAX_NEW_CELLS)
            if len(kills) % 4:
                run.meets(lambda: place.run.find("benchmark job") is not None, NEW_CELLS_LIMIT_S)
                run.meets(functools.partial(has_stored, place, wanted), NEW_CELLS_LIMIT_S)
            run.wait_for(lambda: place.run.process.poll() is not None, chance.uniform(0, MAX_INSTANT_S))
            if run.process.poll() is not None:
                break
            kills.append(kill(place, with_snakemake=len(kills) % 2 == 1))
            if kills[-1].problem:
                print(f"search {number}: {kills[-1]}\n{run.output[-3000:]}", file=sys.stderr, flush=True)
            now = place.finished()
            lost += [key for key, digest in stored.items() if now.get(key) != digest]
            stored = now
        code = (place.start("search") if place.run.process.poll() != 0 else place.run).wait(RUN_LIMIT_S)
        at_end = place.finished()
        lost += [key for key, digest in stored.items() if at_end.get(key) != digest]
        problem = f"exit code {code}: {place.run.output[-2000:]}" if code else None
        problem = f"measured again or lost: {lost}" if lost else problem
        if problem is None and not (place.results / "answers" / "recommended_clocks.json").exists():
            problem = "no answers"
    finally:
        place.close()
    if problem:
        print(f"search {number}: {problem}", file=sys.stderr, flush=True)
    return Searched(tuple(kills), len(at_end), problem)


def kill(place: Place, *, with_snakemake: bool) -> Kill:
    """Kill the search, and where asked the Snakemake of its round, and wait until all is back."""
    search = psutil.Process(place.run.process.pid)
    victims = [search, *(snakemakes(search) if with_snakemake else ())]
    search.suspend()  # it starts nothing between the look and the kill
    was_set, stored = place.gpus.setting(0) != AS_FOUND, num_stored(place)
    for victim in victims:
        os.kill(victim.pid, signal.SIGKILL)
    killed_s = time.monotonic()
    place.run.wait_for(lambda: place.gpus.setting(0) == AS_FOUND, GONE_LIMIT_S)
    back_s = time.monotonic() - killed_s
    is_gone = place.run.wait_for(lambda: not place.run.living(), GONE_LIMIT_S)
    gone_s = time.monotonic() - killed_s
    problem = None if back_s < BACK_LIMIT_S else f"{place.gpus.setting(0)} after {back_s:.1f} s"
    if place.gpus.setting(0) != AS_FOUND:
        problem = f"set again: {place.gpus.setting(0)}"
    if not is_gone:
        problem = f"left running: {place.run.living()}"
    words = "search and its snakemake" if len(victims) > 1 else "search"
    return Kill(words, was_set, stored, back_s, gone_s, problem)


def num_stored(place: Place) -> int:
    """Return how many cells are in the store."""
    return len(list((place.results / "store").glob("*/run.json")))


def has_stored(place: Place, number: int) -> bool:
    """Return whether so many cells are in the store."""
    return num_stored(place) >= number


def snakemakes(search: psutil.Process) -> Iterator[psutil.Process]:
    """Yield the run of Snakemake that a search waits for."""
    for child in search.children(recursive=True):
        if child.cmdline()[1:3] == ["-m", "snakemake"]:
            yield child


def table(done: Sequence[Searched]) -> Iterator[str]:
    """Yield the table by victims, and what became of the searches."""
    kills = [kill for found in done for kill in found.kills]
    yield "| SIGKILL of | kills | a clock set then | as found within 5 s | slowest restore | all ended in | failed |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for victims in sorted({kill.victims for kill in kills}):
        own = [kill for kill in kills if kill.victims == victims]
        slowest = max((kill.back_s for kill in own if kill.was_set), default=None)
        cells = [
            victims,
            str(len(own)),
            str(sum(kill.was_set for kill in own)),
            str(sum(kill.back_s < BACK_LIMIT_S for kill in own)),
            "" if slowest is None else f"{slowest:.2f} s",
            f"{max(kill.gone_s for kill in own):.0f} s",
            str(sum(kill.problem is not None for kill in own)),
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""
    num_cells = " and ".join(sorted({str(found.num_cells) for found in done}))
    num_kept = sum(found.kills[-1].num_stored for found in done if found.kills)
    num_ended = sum(found.problem is None for found in done)
    yield (
        f"{num_ended} of {len(done)} searches came to their end, with {num_cells} cells each; the {num_kept} that "
        "were stored when their search was killed last were not measured again."
    )


if __name__ == "__main__":
    sys.exit(main())
