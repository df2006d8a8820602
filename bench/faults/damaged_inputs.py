"""Damages the files of every command at random, and counts what is said: one message, a result, or a traceback.

    python bench/faults/damaged_inputs.py --runs 500 --seed 1                 # so many of each command: an hour
    python bench/faults/damaged_inputs.py --runs 500 --only analyze compare

The suite tries 60 in all (tests/unit/commands/test_any_input.py); damages are those of tests/fakes/damage.py. Prints a
row for each command, and each traceback with what provoked it; exit code 1 where there was one.
"""

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "workflow")]

from fakes.commands import COMMANDS, Command, Outcome, outcome, write_inputs  # noqa: E402
from fakes.damage import HOPELESS, SUBTLE, damaged  # noqa: E402

LIMIT_S = 60.0
TOLD = ("refused with the file and what is wrong", "as with sound files", "no sense", "TRACEBACK")
"""How a command may end; `no sense`: with a message that says no more than that its files make none."""


def in_a_word(ended: Outcome, command: Command) -> str:
    if ended.trace or "Traceback" in ended.out + ended.err:
        return "TRACEBACK"
    if ended.code == command.code:
        return "as with sound files"
    return "no sense" if "cannot be made sense of" in ended.err else "refused with the file and what is wrong"


def run(command: Command, runs: int, seed: int, apart: Executor) -> Counter[str]:
    """Return how often a command ended in each way; what takes its process for its own runs in another one."""
    found: Counter[str] = Counter()
    rng = random.Random(f"{seed} {command.line}")
    for _ in range(runs):
        path, how, damage = Path(rng.choice(command.reads)), rng.choice([*SUBTLE, *HOPELESS]), rng.randrange(10**6)
        whole = path.read_bytes()
        path.write_bytes(damaged(whole, how, damage))
        ended = apart.submit(outcome, command.line).result(LIMIT_S) if command.apart else outcome(command.line)
        path.write_bytes(whole)
        found[in_a_word(ended, command)] += 1
        if in_a_word(ended, command) in ("TRACEBACK", "no sense"):
            print(f"{command.name}: {path}: {how} {damage}\n{ended.trace or ended.err}", file=sys.stderr, flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500, help="of each command")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", help="names of commands")
    options = parser.parse_args()
    print(f"| command | {' | '.join(TOLD)} |\n|---|{'---|' * len(TOLD)}", flush=True)
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_inputs(Path())
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            for command in COMMANDS:
                if not options.only or command.name in options.only:
                    begin_s = time.monotonic()
                    found = run(command, options.runs, options.seed, apart)
                    total += found
                    print(f"| `{command.name}` | {' | '.join(str(found[how]) for how in TOLD)} |", flush=True)
                    print(f"{command.name}: {time.monotonic() - begin_s:.0f} s", file=sys.stderr, flush=True)
        os.chdir(CHECKOUT)
    print(f"| all | {' | '.join(str(total[how]) for how in TOLD)} |")
    return 1 if total["TRACEBACK"] else 0


if __name__ == "__main__":
    sys.exit(main())
