"""Damages the files of every command at random, and counts what is said: one message, a result, or a traceback.

    python bench/faults/damaged_inputs.py --runs 500 --seed 1

The suite tries 60 of them (tests/unit/stages/test_any_input.py); damages are those of tests/fakes/damage.py.
"""

import argparse
import contextlib
import io
import os
import random
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "workflow")]

from fakes.commands import COMMANDS, write_inputs  # noqa: E402
from fakes.damage import HOPELESS, SUBTLE, damaged  # noqa: E402

from llmdvfs.__main__ import main  # noqa: E402

READS = [(command, name) for command in COMMANDS for name in command.reads]


def outcome(line: str) -> str:
    """Run a command and say in a word how it ended; a traceback in full."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(line.split())
    except BaseException:
        return traceback.format_exc()
    if code == 0:
        return "succeeded: the damage changes nothing that it reads"
    return "no sense" if "cannot be made sense of" in err.getvalue() else "refused with the file and what is wrong"


def run(runs: int, seed: int) -> Counter[str]:
    found: Counter[str] = Counter()
    rng = random.Random(seed)
    for _ in range(runs):
        (command, name), how = rng.choice(READS), rng.choice([*SUBTLE, *HOPELESS])
        path, damage = Path(name), rng.randrange(10**6)
        whole = path.read_bytes()
        path.write_bytes(damaged(whole, how, damage))
        ended = outcome(command.line)
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
