"""Takes an operating point back when the process that set it was killed; a process, started by watchdog.py.

It reads words from its owner, a line each: `ping` is answered with `pong`, `restored` ends it. The end of the input
without that word means that the owner has died or asks it to take over: everything is taken back, and what is left is
answered as JSON, position of the step -> what the driver said.
"""

import contextlib
import json
import signal
import sys
from pathlib import Path

from llmdvfs.records.point import GpuSetting
from llmdvfs.telemetry.change_log import ChangeLog
from llmdvfs.telemetry.gpu_setting import steps_of
from llmdvfs.telemetry.nvml import NvmlGpu, num_gpus
from llmdvfs.telemetry.restore import in_words, take_back


def main(task: str) -> int:
    """Wait until the owner has ended; take everything back unless it said that this is done. Return the exit code."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # it ends with its owner, not when a terminal or a job scheduler says so
    plan = json.loads(task)
    num_gpus()
    settings = [GpuSetting(**setting) for setting in plan["settings"]]
    steps = [
        step
        for setting in settings
        for step in steps_of(setting, plan["originals_w"][str(setting.index)], NvmlGpu(setting.index), plan["how"])
    ]
    _say("ready")
    for word in iter(sys.stdin.readline, ""):
        if word == "restored\n":
            return 0
        _say("pong")
    left = take_back(steps, ChangeLog(Path(plan["log_folder"])))
    if left:
        with contextlib.suppress(OSError):
            print(f"could not be brought back: {in_words(steps, left)}", file=sys.stderr, flush=True)
    else:
        for record in plan["records"]:
            Path(record).unlink(missing_ok=True)
    _say(json.dumps(left))
    return 1 if left else 0


def _say(word: str) -> None:
    with contextlib.suppress(OSError):  # the owner may be dead, which is when this process is needed
        print(word, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
