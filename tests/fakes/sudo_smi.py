"""Stand-ins for `sudo` and `nvidia-smi` on the PATH: the tool changes the fake GPUs, though the caller may not."""

import stat
import sys
from pathlib import Path

SUDO = """#!/bin/sh
# sudo -n [-l] COMMAND ...; the word of the administrator stands in the file beside it: allowed, denied
[ "$1" = -n ] || { echo "a terminal is needed" >&2; exit 1; }
shift
if [ "$(cat "$(dirname "$0")/word")" != allowed ]; then echo "sudo: a password is required" >&2; exit 1; fi
if [ "$1" = -l ]; then shift; echo "$@"; exit 0; fi
FAKE_NVML_ROOT=1 exec "$@"
"""

NVIDIA_SMI = """#!{python}
# nvidia-smi -i UUID OPTION, as far as it sets; it notes what it was asked
import sys
from pathlib import Path
sys.path.insert(0, "{library}")
from llmdvfs.telemetry.nvml import NvmlGpu, num_gpus
here = Path(__file__).parent
with (here / "asked").open("a") as asked:
    asked.write(" ".join(sys.argv[1:]) + "\\n")
if (here / "reply").exists():
    code, _, text = (here / "reply").read_text().partition(" ")
    print(text)
    sys.exit(int(code))
_, uuid, option = sys.argv[1:]
(gpu,) = [gpu for gpu in map(NvmlGpu, range(num_gpus())) if gpu.uuid() == uuid]
name, _, value = option.partition("=")
{
    "--lock-gpu-clocks": lambda: gpu.lock_sm_clock(*map(int, value.split(","))),
    "--lock-memory-clocks": lambda: gpu.lock_memory_clock(int(value.split(",")[0])),
    "--power-limit": lambda: gpu.set_power_limit(float(value)),
    "--reset-gpu-clocks": gpu.reset_sm_clock,
    "--reset-memory-clocks": gpu.reset_memory_clock,
}[name]()
print("All done.")
"""
LIBRARY = Path(__file__).parents[2] / "workflow"


class FakeSudoSmi:
    """A folder for the PATH with both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name, script in (
            ("sudo", SUDO),
            ("nvidia-smi", NVIDIA_SMI.replace("{python}", sys.executable).replace("{library}", str(LIBRARY))),
        ):
            path = folder / name
            path.write_text(script)
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        self.allow(True)

    def allow(self, allowed: bool) -> None:
        """Let sudo run the tool, or ask for a password."""
        (self.folder / "word").write_text("allowed" if allowed else "denied")

    def reply(self, code: int, text: str) -> None:
        """Let the tool end so from now on, without setting anything."""
        (self.folder / "reply").write_text(f"{code} {text}")

    @property
    def asked(self) -> list[str]:
        """Return the tool's arguments, a line a call."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []
