"""Mutation testing of `plan`, `telemetry` and `analysis`: how much of a changed meaning do the tests notice?

python bench/mutation/run.py --num 40 --page docs/testing.md

Each mutant is one small change of the meaning (`<` for `<=`, a number one more, a `not` more ...), made by cosmic-ray
in a copy of the tree; it is killed if the tests of its room fail or do not end. Mutants are drawn with a seed, so the
score is a sample's: it is printed with its 95 % interval. Takes minutes; not for CI.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from scipy.stats import binomtest

BENCH = Path(__file__).parents[1]
sys.path.insert(0, str(BENCH))
from page import host, marked_page, write_measured  # noqa: E402
from peers import installed  # noqa: E402

TESTS = {
    "plan": ["tests/unit/plan"],
    "telemetry": ["tests/unit/telemetry"],
    "analysis": ["tests/unit/analysis"],
}
COPIED = ("tests", "workflow", "config", "pyproject.toml", "docs", "envs", "Snakefile")
TIMEOUT_S = 300.0  # a mutant that loops for ever is noticed as well


@dataclass(frozen=True)
class Score:
    """What became of the mutants of one room."""

    room: str
    num_places: int
    num: int
    survivors: tuple[str, ...]

    def row(self) -> str:
        """Return a line of the table."""
        killed = self.num - len(self.survivors)
        low, high = binomtest(killed, self.num).proportion_ci(method="wilson")
        return f"| `{self.room}` | {self.num_places} | {self.num} | {killed / self.num:.0%} ({low:.0%} to {high:.0%}) |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, default=BENCH.parent, help="the checkout to mutate a copy of")
    parser.add_argument("--rooms", nargs="+", default=list(TESTS), choices=TESTS)
    parser.add_argument("--num", type=int, default=40, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--page", type=marked_page("bench/mutation/run.py"), help="page of docs/ to write the table into"
    )
    options = parser.parse_args()
    rows = ["| room | places | mutants | killed (95 % interval) |", "|---|---|---|---|"]
    print("\n".join(rows), flush=True)
    for room in options.rooms:
        rows.append(room_score(options.tree.resolve(), room, options.num, options.seed).row())
        print(rows[-1], flush=True)
    if options.page:
        table = "\n".join(rows)
        write_measured(options.page, "bench/mutation/run.py", f"{table}\n\n{host()}, seed {options.seed}")


def room_score(tree: Path, room: str, num: int, seed: int) -> Score:
    """Return how many of the mutants of a room its tests kill."""
    survivors = []
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = tree / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
        if not passes(copy, TESTS[room]):
            raise SystemExit(f"{room}: {TESTS[room]} fail without any mutant: expected them green; run them first")
        drawn = draw(copy / "workflow/llmdvfs" / room, num, seed)
        for mutant in drawn["mutants"]:
            path = Path(mutant["path"])
            code = path.read_text()
            path.write_text(mutant["code"])
            what = f"{path.relative_to(copy)}:{mutant['line']}: {mutant['was']}  ->  {mutant['now']}"
            near = importers(path, copy, TESTS[room])  # most mutants are killed by these, in seconds
            if survives := (not near or passes(copy, near)) and passes(copy, TESTS[room]):
                survivors.append(what)
            print(f"{'survived' if survives else 'killed  '}  {what}", file=sys.stderr, flush=True)
            path.write_text(code)
    return Score(room, drawn["num_places"], len(drawn["mutants"]), tuple(survivors))


def draw(folder: Path, num: int, seed: int) -> dict:
    python = installed(Path(__file__).parent / "locks/cosmic-ray.txt") / "bin/python"
    command = [python, Path(__file__).with_name("mutants.py"), folder, "--num", str(num), "--seed", str(seed)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def passes(copy: Path, tests: list[str]) -> bool:
    """Return whether tests (files or folders) pass; all that they started is gone afterwards."""
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    process = subprocess.Popen(
        command, cwd=copy, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return process.wait(TIMEOUT_S) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def importers(path: Path, copy: Path, folders: list[str]) -> list[str]:
    """Return the test files of some folders that import a file of the library."""
    name = ".".join(path.relative_to(copy / "workflow").with_suffix("").parts)
    files = sorted(file for folder in folders for file in (copy / folder).rglob("test_*.py"))
    return [str(file.relative_to(copy)) for file in files if name in file.read_text()]


if __name__ == "__main__":
    main()
