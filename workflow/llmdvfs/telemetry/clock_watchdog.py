"""Undoes an operating point when the process that set it was killed: started by telemetry/clocks.py, on its own."""

import json
import signal
import sys

from llmdvfs.errors import ClockControlError
from llmdvfs.records.point import GpuSetting
from llmdvfs.telemetry.gpu_setting import undo
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu, num_gpus


def main(task: str) -> int:
    """Wait for the owner's end; unless it said that all was restored, restore."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # it ends with its owner, not when a terminal or a job scheduler says so
    plan = json.loads(task)
    num_gpus()
    settings = [GpuSetting(**setting) for setting in plan["settings"]]
    gpus = {setting.index: NvmlGpu(setting.index) for setting in settings}
    print("ready", flush=True)
    if sys.stdin.read():  # the pipe closes without a word when its owner dies
        return 0
    failures = 0
    for setting in settings:
        try:
            undo(setting, plan["originals_w"][str(setting.index)], gpus[setting.index])
        except (NvmlError, ClockControlError) as error:
            print(f"GPU {setting.index} could not be brought back: {error}", file=sys.stderr)
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
