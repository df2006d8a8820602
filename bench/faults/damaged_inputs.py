"""Damages the files of every command at random, and counts what is said: one message, a result, or a traceback.

    python bench/faults/damaged_inputs.py --runs 500 --seed 1

The suite tries 60 of them (tests/unit/stages/test_any_input.py); damages are those of tests/fakes/damage.py.
"""

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "workflow")]

from fakes.commands import COMMANDS, Outcome, outcome, write_inputs  # noqa: E402
from fakes.damage import HOPELESS, SUBTLE, damaged  # noqa: E402

READS = [(command, name) for command in COMMANDS for name in command.reads if not command.apart]
"""Those that take their process for their own are tried by the suite alone."""


def in_a_word(ended: Outcome) -> str:
    """Say how a command ended; a traceback in full."""
    if ended.trace:
        return ended.trace
    if ended.code == 0:
        return "succeeded: the damage changes nothing that it reads"
    return "no sense" if "cannot be made sense of" in ended.err else "refused with the file and what is wrong"


def run(runs: int, seed: int) -> Counter[str]:
    found: Counter[str] = Counter()
    rng = random.Random(seed)
    for _ in range(runs):
        (command, name), how = rng.choice(READS), rng.choice([*SUBTLE, *HOPELESS])
        path, damage = Path(name), rng.randrange(10**6)
        whole = path.read_bytes()
        path.write_bytes(damaged(whole, how, damage))
        ended = in_a_word(outcome(command.line))
        path.write_bytes(whole)
        found[ended] += 1
        if "Traceback" in ended:
            print(f"{command.name}: {name}: {how} {damage}\n{ended}", file=sys.stderr)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_inputs(Path())
        for ended, count in run(options.runs, options.seed).most_common():
            print(f"{count:5}  {ended}")
        os.chdir(CHECKOUT)
