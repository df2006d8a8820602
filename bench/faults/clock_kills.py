"""Kills the owners of operating points at random instants, alone or with their watchdogs, on fake GPUs.

    python bench/faults/clock_kills.py [--kills 60] [--seed 1]

Each owner sets one point after the other, for 0.3 s each. One kill in three takes the watchdog, too. After each of them
the GPU must be as it was found: by the watchdog's doing within 10 s, or, where that was killed, at the start of the
next run. Prints how many came back, and what was set at the instant of the kills; exit code 1 where one did not.
"""

import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
sys.path[:0] = [str(CHECKOUT / "workflow"), str(CHECKOUT / "tests")]

from fakes.nvml import FakeNvml  # noqa: E402 (the path comes first)

from llmdvfs.host.child import library_environment  # noqa: E402
from llmdvfs.host.lock import LOCK_FOLDER_VARIABLE  # noqa: E402
from llmdvfs.records.point import OperatingPoint  # noqa: E402
from llmdvfs.telemetry.clocks import locked_clocks  # noqa: E402

AS_FOUND = (0, 3201, 700)
BACK_LIMIT_S = 10.0
MAX_WAIT_S = 2.0  # an owner needs about half a second for a watchdog: kills fall before, while and after it holds
OWNER = """
import time
from llmdvfs.records.point import OperatingPoint
from llmdvfs.telemetry.clocks import locked_clocks
points = [OperatingPoint(str(mhz), {"single": mhz}, {"single": 2201}, {"single": 300.0}) for mhz in (510, 1005, 1500)]
print("begins", flush=True)
while True:
    for point in points:
        with locked_clocks(point, {"single": [0]}) as held:
            assert held.applied.state == "applied", held.applied
            time.sleep(0.3)
"""


def main() -> int:
    """Kill as often as asked, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="llmdvfs-clock-kills-"))
    library = FakeNvml.build(folder)
    os.environ[LOCK_FOLDER_VARIABLE] = str(folder)
    told: collections.Counter[str] = collections.Counter()
    for number in range(options.kills):
        both = number % 3 == 2
        gpus = FakeNvml(folder / f"gpus{number}", 1, library=library)  # a fresh one: it remembers 256 changes
        gpus.activate()
        os.environ |= gpus.environment()
        held = kill_one(gpus, chance.uniform(0, MAX_WAIT_S), both)
        is_back = came_back(gpus, by_next_run=both)
        told[f"{'owner and watchdog' if both else 'owner'}, {'held' if held else 'not held'}"] += 1
        told["came back" if is_back else "DID NOT COME BACK"] += 1
        if not is_back:
            print(f"kill {number}: the GPU stays at {gpus.setting(0)}", file=sys.stderr)
        gpus.close()
    shutil.rmtree(folder)
    print(", ".join(f"{what}: {count}" for what, count in sorted(told.items())))
    return 0 if told["came back"] == options.kills else 1


def kill_one(gpus: FakeNvml, after_s: float, both: bool) -> bool:
    """Start an owner and kill it so long after it began; return whether anything was set then."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, env=library_environment())
    assert owner.stdout is not None
    owner.stdout.readline()
    time.sleep(after_s)
    owner.send_signal(signal.SIGSTOP)  # what it holds and whom it has started stands still while we look
    children = Path(f"/proc/{owner.pid}/task/{owner.pid}/children").read_text().split()
    held = gpus.setting(0) != AS_FOUND
    for child in children if both else ():
        os.kill(int(child), signal.SIGKILL)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    return held


def came_back(gpus: FakeNvml, *, by_next_run: bool) -> bool:
    """Return whether the GPU is as it was found: in time, or at once in the next run."""
    deadline = time.monotonic() + BACK_LIMIT_S
    while not by_next_run and gpus.setting(0) != AS_FOUND and time.monotonic() < deadline:
        time.sleep(0.01)
    if not by_next_run and gpus.setting(0) != AS_FOUND:
        return False
    with locked_clocks(OperatingPoint("stock"), {"single": [0]}):
        return gpus.setting(0) == AS_FOUND


if __name__ == "__main__":
    sys.exit(main())
