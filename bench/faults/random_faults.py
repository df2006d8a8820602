"""Does random harm to measurements at random instants, and looks whether anything stays behind.

    python bench/faults/random_faults.py [--faults 200] [--seed 1] [--limit-s 3600]

Each round is a run of two cells, at stock and at low clocks, on scripted servers and fake GPUs; all else is the real
program. A fault strikes while it goes on. A round is survived where within 10 s of its end no process, port or lock is
left, the GPUs are as they were found, nothing that was measured before has changed, and a further run measures what is
missing and succeeds. Prints each round that is not, and a line for each kind of fault; exit code 1 where one was not.
"""

import argparse
import collections
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
sys.path[:0] = [str(CHECKOUT / "workflow"), str(CHECKOUT / "tests")]

from fakes.nvml import FakeNvml  # noqa: E402 (the path comes first)
from faults.faults import fill_disk, set_wall_clock  # noqa: E402
from faults.place import Machine, Place, make_machine  # noqa: E402
from faults.play import LEFT_LIMIT_S, own_disk  # noqa: E402

from llmdvfs.serving.instance.ports import is_listening  # noqa: E402

AS_FOUND = (0, 3201, 700)
MAX_WAIT_S = 12.0  # a run of the two cells takes about ten seconds where the machine is free
RUN_LIMIT_S = 240.0
ARCHITECTURES = ("single", "single", "replicated-2")


class NotSurvived(Exception):
    """What stayed behind, in words."""


def a_process(place: Place, chance: random.Random, how_many: int = 1) -> list[int]:
    """Return processes of the run: any of those that live now."""
    living = sorted(place.run.living())
    return chance.sample(living, min(how_many, len(living)))


def send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def kill(place: Place, chance: random.Random) -> Iterator[None]:
    send(signal.SIGKILL, a_process(place, chance))
    yield


@contextlib.contextmanager
def kill_two(place: Place, chance: random.Random) -> Iterator[None]:
    pids = a_process(place, chance, 2)
    send(signal.SIGSTOP, pids)  # neither sees the other one die
    send(signal.SIGKILL, pids)
    yield


@contextlib.contextmanager
def stop(place: Place, chance: random.Random) -> Iterator[None]:
    pids = a_process(place, chance)
    send(signal.SIGSTOP, pids)
    time.sleep(chance.uniform(0.1, 3.0))
    send(signal.SIGCONT, pids)
    yield


@contextlib.contextmanager
def end(place: Place, chance: random.Random) -> Iterator[None]:
    # It looks first: the number of a job that has ended may be another process's.
    place.run.process.send_signal(chance.choice((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)))
    yield


@contextlib.contextmanager
def disk_full(place: Place, chance: random.Random) -> Iterator[None]:
    with fill_disk(place):
        yield


@contextlib.contextmanager
def clock_jump(place: Place, chance: random.Random) -> Iterator[None]:
    with set_wall_clock(place):
        yield


@contextlib.contextmanager
def results_gone(place: Place, chance: random.Random) -> Iterator[None]:
    (place.folder / "results").rename(place.folder / "taken-away")
    yield
    shutil.rmtree(place.folder / "results", ignore_errors=True)
    (place.folder / "taken-away").rename(place.folder / "results")


@contextlib.contextmanager
def second_run(place: Place, chance: random.Random) -> Iterator[None]:
    first = place.runs[-1]
    second = place.start("job")
    place.runs.remove(second)
    place.runs.insert(0, second)
    yield
    if second.wait(RUN_LIMIT_S) != 0:
        raise NotSurvived(f"the second run: {second.output[-500:]}")
    assert place.run is first


FAULTS: dict[str, Callable[[Place, random.Random], contextlib.AbstractContextManager[None]]] = {
    "one process killed": kill,
    "two killed at once": kill_two,
    "one stopped for up to 3 s": stop,
    "job told to end": end,
    "disk full": disk_full,
    "wall clock set forward": clock_jump,
    "results folder taken away": results_gone,
    "a second run": second_run,
}
WEIGHTS = (8, 4, 4, 2, 1, 1, 2, 2)


def play(name: str, place: Place, chance: random.Random) -> None:
    """Play one round; NotSurvived says what stayed behind."""
    run = place.start("job")
    run.wait_for(lambda: run.process.poll() is not None, chance.uniform(0.0, MAX_WAIT_S))
    ports = run.listening_ports()
    with FAULTS[name](place, chance):
        run.wait(RUN_LIMIT_S)
    look(place, ports, with_clocks=name != "two killed at once")  # those of an owner and its watchdog: by the next run
    before = place.finished()
    further = place.start("job") if len(before) < 2 else None
    if further is not None and further.wait(RUN_LIMIT_S) != 0:
        raise NotSurvived(f"the further run: {further.output[-800:]}")
    look(place, set(), with_clocks=True)
    after = place.finished()
    if len(after) != 2 or not before.items() <= after.items():
        raise NotSurvived(f"{len(before)} measurements before the further run, {len(after)} after it, or changed ones")


def look(place: Place, ports: set[int], *, with_clocks: bool) -> None:
    """Raise NotSurvived for what is left of the runs after LEFT_LIMIT_S."""

    def left() -> list[object]:
        processes = [item for run in place.runs for item in run.living().items()]
        open_ports = [port for port in ports if is_listening("127.0.0.1", port)]
        moved = [place.gpus.setting(gpu) for gpu in range(2) if with_clocks and place.gpus.setting(gpu) != AS_FOUND]
        return [*processes, *open_ports, *place.held_locks(), *moved]

    if not place.run.wait_for(lambda: not left(), LEFT_LIMIT_S):
        raise NotSurvived(f"left: {left()}")


def a_round(number: int, seed: int, folder: Path, machine: Machine) -> tuple[str, str | None]:
    """Return the kind of fault, and what stayed behind; None: nothing."""
    chance = random.Random(f"{seed} {number}")
    (name,) = chance.choices(list(FAULTS), WEIGHTS)
    with contextlib.ExitStack() as stack:
        place = Place(folder / str(number), machine, architecture=chance.choice(ARCHITECTURES))
        stack.callback(place.close)
        if name == "disk full":
            stack.enter_context(own_disk(place))
        try:
            play(name, place, chance)
        except NotSurvived as told:
            return name, str(told)
        if any("Traceback" in run.output for run in place.runs):
            return name, next(run.output[-2000:] for run in place.runs if "Traceback" in run.output)
    shutil.rmtree(folder / str(number), ignore_errors=True)
    return name, None


def main() -> int:
    """Do harm as often as asked, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first round: equal numbers play alike")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit-s", type=float, default=3600.0, help="no round begins after so long")
    options = parser.parse_args()
    begin_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="llmdvfs-random-faults-"))
    machine = make_machine(folder, FakeNvml.build(folder))
    told: collections.Counter[tuple[str, bool]] = collections.Counter()
    for number in range(options.first, options.first + options.faults):
        if time.monotonic() - begin_s > options.limit_s:
            break
        name, left = a_round(number, options.seed, folder, machine)
        told[name, left is None] += 1
        if left is not None:
            print(f"round {number}, {name}: NOT SURVIVED: {left}", flush=True)
    for name in FAULTS:
        print(f"{name}: {told[name, True]} of {told[name, True] + told[name, False]} survived")
    survived = sum(count for (_, well), count in told.items() if well)
    print(f"{survived} of {told.total()} survived, in {time.monotonic() - begin_s:.0f} s")
    if survived < told.total():
        print(f"see {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
