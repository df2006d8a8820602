"""Kills who holds GPUs at operating points, at random instants of a study, and looks whether the GPUs come back.

    python bench/faults/sweep_kills.py [--kills 200] [--others 10] [--seed 1] [--at-once 4] [--under-load]
        [--record FILE] [--page PAGE]

Each trial is a place of its own with two fake GPUs and scripted servers (tests/faults), in which a study of a locked
clock, a ceiling, a power limit and stock is measured. A quarter of the kills each: the benchmark job, its clock
watchdog, both at once, Snakemake. `--others`: so often each a lost GPU, a right that is lost half way, and a lock of
somebody else. A quarter of an hour; PAGE is docs/operating-points.md. With `--under-load` the points share one running
load (measure.points_under_load), with stock last again.

A trial passes where the GPU is as it was found within 5 s, or where that is said and the next command takes it back; no
process may be left. Exit code 1 where one does not.
"""

import argparse
import collections
import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

BENCH = Path(__file__).parents[1]
CHECKOUT = BENCH.parent
sys.path[:0] = [str(BENCH), str(CHECKOUT / "workflow"), str(CHECKOUT / "tests")]

from fakes.nvml import NO_PERMISSION, FakeNvml  # noqa: E402 (the path comes first)
from faults.place import Machine, Place, make_machine  # noqa: E402
from page import host, marked_page, write_measured  # noqa: E402

AS_FOUND = (0, 3201, 700)
POINTS = {
    "stock": {},
    "lock": {"sm_clock_mhz": {"single": 1005}, "memory_clock_mhz": {"single": 2201}},
    "ceiling": {"sm_clock_mhz": {"single": "..1410"}},
    "capped": {"power_limit_w": {"single": 400}},
}
MAX_INSTANT_S = 12.0  # of the job: from its first line of code to about its fourth point
MAX_INSTANT_UNDER_LOAD_S = 12.0  # from the first point's setting: of three, 2 s to settle at least and then measured
START_LIMIT_S = 180.0
RUN_LIMIT_S = 180.0
BACK_LIMIT_S = 5.0
GONE_LIMIT_S = 60.0  # a job that is still importing when its Snakemake is killed ends once it has
NEXT_RUN_EVERY = 10  # so often the study is then finished, too
FOREIGN_CLOCK_MHZ = 1200


@dataclass(frozen=True)
class Outcome:
    """What a trial has shown."""

    fault: str
    was_set: bool
    """Whether anything was set at that instant."""
    became: str
    """`came back`, `said, and taken back by the next command`, ..."""
    back_s: float | None = None
    problem: str | None = None


def main() -> int:
    """Run all trials, print the table, and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--others", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--under-load", action="store_true")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--page")
    options = parser.parse_args()
    part = f"bench/faults/sweep_kills.py{' --under-load' if options.under_load else ''}"
    try:
        page = marked_page(part)(options.page) if options.page else None
    except argparse.ArgumentTypeError as error:  # it is known only now which part
        parser.error(str(error))
    chance = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="llmdvfs-sweep-kills-"))
    machine = make_machine(folder, FakeNvml.build(folder))
    trials = [KILLS[number % len(KILLS)] for number in range(options.kills)]
    trials += [trial for trial in OTHERS for _ in range(options.others)]
    chance.shuffle(trials)
    max_instant_s = MAX_INSTANT_UNDER_LOAD_S if options.under_load else MAX_INSTANT_S
    begin_s = time.monotonic()
    done = recorded(options.record)
    planned = [
        (number, trial, chance.uniform(0, max_instant_s), number % NEXT_RUN_EVERY == 0)
        for number, trial in enumerate(trials)
    ]

    def run_and_record(trial: tuple[int, Callable[[Place, float, bool], Outcome], float, bool]) -> Outcome:
        outcome = run_trial(folder, machine, options.under_load, *trial)
        if options.record:
            with options.record.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"number": trial[0], **asdict(outcome)}) + "\n")
        return outcome

    with ThreadPoolExecutor(options.at_once) as pool:
        further = list(pool.map(run_and_record, [trial for trial in planned if trial[0] not in done]))
    outcomes = [*done.values(), *further]
    shutil.rmtree(folder, ignore_errors=True)
    text = table(outcomes)
    print(f"{text}\n{time.monotonic() - begin_s:.0f} s")
    if page:
        write_measured(page, part, f"Fake GPUs, seed {options.seed}; {host()}.\n\n{text}")
    return 1 if any(outcome.problem for outcome in outcomes) else 0


def recorded(file: Path | None) -> dict[int, Outcome]:
    """Return the outcomes of an earlier run of the same trials, by number; none where there is no file."""
    if file is None or not file.exists():
        return {}
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {line.pop("number"): Outcome(**line) for line in lines}


def run_trial(
    folder: Path,
    machine: Machine,
    under_load: bool,
    number: int,
    trial: Callable[[Place, float, bool], Outcome],
    at_s: float,
    more: bool,
) -> Outcome:
    """Run one in a place of its own, which is removed where it passed."""
    place = Place(folder / f"place-{number}", machine)
    measure = {"idle_s": 0.3, "calibrate_client": False, "points_under_load": under_load}
    place.study = {"operating_points": POINTS, "measure": measure}
    if under_load:
        for gpu in range(2):
            place.gpus.set_property(gpu, "settling_s", 0.0)
    try:
        outcome = trial(place, at_s, more)
    except Exception as error:  # an assertion of the place: told as a problem of this trial
        outcome = Outcome(getattr(trial, "__name__", "kill"), False, "trial failed", problem=repr(error))
    finally:
        place.close()
    if outcome.problem:
        print(f"trial {number}: {outcome}\n{place.run.output[-2000:]}", file=sys.stderr, flush=True)
    shutil.rmtree(place.folder, ignore_errors=True)
    return outcome


def reach(place: Place, at_s: float) -> None:
    """Wait for the instant: so long after the job's begin, or, under one running load, after its first point is set."""
    if place.study["measure"]["points_under_load"]:
        place.run.meets(lambda: place.gpus.setting(0) != AS_FOUND, START_LIMIT_S)
    place.run.wait_for(lambda: place.run.process.poll() is not None, at_s)


# ---- kills


def kill_of(victims: tuple[str, ...], through: str, place: Place, at_s: float, more: bool) -> Outcome:
    """Kill at the instant; who takes back is the watchdog, or, where that was killed too, `clocks restore`."""
    fault = f"SIGKILL of {' and '.join(victims)}"
    place.start(through)
    job = place.found("benchmark job", START_LIMIT_S)
    reach(place, at_s)
    pids = {victim: place.run.find(victim) for victim in victims}
    if pids.get("benchmark job", job) is None or place.run.process.poll() is not None:
        return after_its_end(place, fault)
    os.kill(job, signal.SIGSTOP)  # what it holds stands still while we look
    watchdog = place.run.find("clock watchdog")
    if "clock watchdog" in victims:
        pids["clock watchdog"] = watchdog
    was_set = place.gpus.setting(0) != AS_FOUND
    for pid in pids.values():
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
    killed_s = time.monotonic()
    os.kill(job, signal.SIGCONT)
    if "clock watchdog" in victims:
        with_watchdog = pids["clock watchdog"] is not None
        return restored_by_the_next_command(place, fault, was_set and with_watchdog, more)
    return came_back(place, fault, was_set, killed_s, more)


def watchdog_kill(place: Place, at_s: float, more: bool) -> Outcome:
    """Kill it as soon as there is one after the instant; the run replaces it and goes on to its end."""
    del more  # the run itself goes on
    fault = "SIGKILL of clock watchdog"
    place.start("job")
    place.found("benchmark job", START_LIMIT_S)
    reach(place, at_s)
    place.run.meets(lambda: place.run.find("clock watchdog") is not None, START_LIMIT_S)
    pid = place.run.find("clock watchdog")
    if pid is None:
        return after_its_end(place, fault)
    was_set = place.gpus.setting(0) != AS_FOUND
    os.kill(pid, signal.SIGKILL)
    code = place.run.wait(RUN_LIMIT_S)
    is_whole = code == 0 and len(place.finished()) == len(place.cells())
    problem = None if is_whole else f"exit code {code}, {len(place.finished())} cells"
    return judged(place, fault, was_set, "replaced, and the study went on to its end", problem)


def after_its_end(place: Place, fault: str) -> Outcome:
    """Nothing was left to kill."""
    return judged(place, fault, False, "the run had ended", None)


def came_back(place: Place, fault: str, was_set: bool, killed_s: float, more: bool) -> Outcome:
    """Wait for the watchdog to restore."""
    place.run.wait_for(lambda: place.gpus.setting(0) == AS_FOUND, BACK_LIMIT_S)
    back_s = time.monotonic() - killed_s
    problem = None if place.gpus.setting(0) == AS_FOUND else f"stays at {place.gpus.setting(0)}"
    return judged(place, fault, was_set, "came back", problem, back_s if was_set else None, more)


def restored_by_the_next_command(place: Place, fault: str, was_set: bool, more: bool) -> Outcome:
    """See what `clocks status` says of the GPU that nobody looks after any more, and have it taken back."""
    place.run.wait_for(lambda: not place.run.living(), GONE_LIMIT_S)
    left = place.gpus.setting(0) != AS_FOUND
    status = command(place, "clocks", "status").stdout
    restored = command(place, "clocks", "restore")
    problem = None
    if left and "left so by a run that is gone" not in status:
        problem = f"not said by clocks status: {status}"
    elif restored.returncode or place.gpus.setting(0) != AS_FOUND:
        problem = f"stays at {place.gpus.setting(0)}: {restored.stderr}"
    became = "said, and taken back by the next command" if left else "came back"
    return judged(place, fault, was_set, became, problem, None, more)


# ---- other faults


def lost_gpu(place: Place, at_s: float, more: bool) -> Outcome:
    """The GPU falls off the bus; once the driver is loaded again it is found as it was."""
    was_set = under_way(place, at_s, lambda: place.gpus.lose_gpu(0))
    code, said = place.run.wait(RUN_LIMIT_S), place.run.output
    place.gpus.find_gpu(0)
    problem = None if code == 0 or "(NVML error 15)" in said else f"exit code {code} and no word of a lost GPU"
    command(place, "clocks", "restore")
    return judged(
        place, "GPU lost", was_set, "said, and the launch ended" if code else "ended before", problem, None, more
    )


def lost_right(place: Place, at_s: float, more: bool) -> Outcome:
    """From now on nothing may be set any more: what is set stays, that is said, and nothing more is measured."""
    calls = ("set_clocks", "set_power_limit")
    struck_mono_ns = []

    def strike() -> None:
        place.gpus.deny(0, calls, NO_PERMISSION)
        struck_mono_ns.append(time.monotonic_ns())

    was_set = under_way(place, at_s, strike)
    code = place.run.wait(RUN_LIMIT_S)
    left = place.gpus.setting(0) != AS_FOUND
    problem = None
    if left and (code == 0 or "could not be brought back" not in place.run.output):
        problem = f"stays at {place.gpus.setting(0)}, exit code {code}, and that is not said"
    elif left and (later := begun_after(place, struck_mono_ns[0])):
        problem = f"measured on a GPU that had not come back: {', '.join(later)}"
    place.gpus.deny(0, calls, 0)
    restored = command(place, "clocks", "restore")
    if not problem and left and "taken back" not in restored.stdout:
        problem = f"not taken back: {restored.stdout}{restored.stderr}"
    became = "said, and taken back once there was the right again" if left else "nothing more was set"
    return judged(place, "right to set lost", was_set, became, problem, None, more)


def begun_after(place: Place, mono_ns: int) -> list[str]:
    """Return the points of stored cells that were begun after the instant; a sweep stores its steps at its end."""
    runs = [json.loads(path.read_text()) for path in place.results.glob("store/*/run.json")]
    return sorted(run["cell"]["point"] for run in runs if run["started_mono_ns"] > mono_ns)


def foreign_lock(place: Place, at_s: float, more: bool) -> Outcome:
    """Somebody else locks the clock: it goes with ours, or stays and is told in the cells that ran at it."""
    set_foreign = (
        "from llmdvfs.telemetry.nvml import *; num_gpus(); "
        f"NvmlGpu(0).lock_sm_clock({FOREIGN_CLOCK_MHZ}, {FOREIGN_CLOCK_MHZ})"
    )
    was_set = under_way(place, at_s, lambda: python(place, "-c", set_foreign))
    code = place.run.wait(RUN_LIMIT_S)
    clock_mhz, memory_mhz, limit_w = place.gpus.setting(0)
    stays = clock_mhz == FOREIGN_CLOCK_MHZ
    told = any(
        word in path.read_text()
        for path in place.results.glob("store/*/run.json")
        for word in ('"clocks_held": true', "somebody has changed GPU 0: clocks locked")
    )
    problem = None if (memory_mhz, limit_w) == AS_FOUND[1:] and clock_mhz in (0, FOREIGN_CLOCK_MHZ) else "ours stays"
    if code:
        problem = f"exit code {code}"
    became = "lifted with ours at a point's end"
    if stays:
        became = "stays, and later points are refused" if told else "stays, after the last look at the GPU"
        command(place, "clocks", "restore", "--all", "--yes")
    return judged(place, "lock of somebody else", was_set, became, problem, None, more)


def under_way(place: Place, at_s: float, strike: Callable[[], object]) -> bool:
    """Start the job, let the fault strike at the instant, and return whether anything was set then."""
    place.start("job")
    place.found("benchmark job", START_LIMIT_S)
    reach(place, at_s)
    was_set = place.gpus.setting(0) != AS_FOUND
    strike()
    return was_set


# ---- what is left


def judged(
    place: Place,
    fault: str,
    was_set: bool,
    became: str,
    problem: str | None,
    back_s: float | None = None,
    more: bool = False,
) -> Outcome:
    """Look that the GPU is as it was found, no process is left, and, where `more`, that the study can be finished."""
    if problem is None and not place.run.wait_for(lambda: not place.run.living(), GONE_LIMIT_S):
        problem = f"left running: {place.run.living()}"
    if problem is None and not place.run.wait_for(lambda: place.gpus.setting(0) == AS_FOUND, BACK_LIMIT_S):
        problem = f"the GPU stays at {place.gpus.setting(0)}"
    if problem is None and more and len(place.finished()) < len(place.cells()):
        code = place.start("job").wait(RUN_LIMIT_S)
        if code or place.gpus.setting(0) != AS_FOUND:
            problem = f"the next run ended with {code}, the GPU is at {place.gpus.setting(0)}"
    return Outcome(fault, was_set, became, back_s, problem)


def command(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m llmdvfs` in the place."""
    return python(place, "-m", "llmdvfs", *arguments)


def python(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], env=place.environment(), capture_output=True, text=True, check=False
    )


def table(outcomes: list[Outcome]) -> str:
    """Return the table by fault: how often, how often something was set then, and what became of it."""
    lines = [
        "| fault | trials | set then | what became of it | slowest restore | not passed |",
        "|---|--:|--:|---|--:|--:|",
    ]
    for fault in sorted({outcome.fault for outcome in outcomes}):
        own = [outcome for outcome in outcomes if outcome.fault == fault]
        became = collections.Counter(outcome.became for outcome in own if not outcome.problem)
        slowest = max((outcome.back_s for outcome in own if outcome.back_s is not None), default=None)
        cells = [
            fault,
            str(len(own)),
            str(sum(outcome.was_set for outcome in own)),
            "; ".join(f"{count} {what}" for what, count in became.most_common()),
            "" if slowest is None else f"{slowest:.2f} s",
            str(sum(outcome.problem is not None for outcome in own)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


KILLS: tuple[Callable[[Place, float, bool], Outcome], ...] = (
    functools.partial(kill_of, ("benchmark job",), "job"),
    watchdog_kill,
    functools.partial(kill_of, ("benchmark job", "clock watchdog"), "job"),
    functools.partial(kill_of, ("snakemake",), "snakemake"),
)
OTHERS = (lost_gpu, lost_right, foreign_lock)

if __name__ == "__main__":
    sys.exit(main())
