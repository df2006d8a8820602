"""Clocks set by `sudo -n nvidia-smi`, where an administrator has let this user run it without a password.

GPUs are named by UUID, so that no other one can be meant. NVIDIA's tool ends with 0 where a GPU does not have what was
asked ("Treating as warning and moving on"): its words are read, too.
"""

import shutil
import subprocess

from llmdvfs.errors import ClockControlError
from llmdvfs.telemetry.nvml import NvmlGpu
from llmdvfs.telemetry.setters.setter import ClocksDenied

LIMIT_S = 30.0  # without persistence mode the tool loads the driver first
NO_PERMISSION = 4  # exit code of nvidia-smi
REFUSED_WORDS = ("not supported", "treating as warning", "insufficient permissions")
SUDO_DENIES = ("a password is required", "not allowed", "may not run sudo", "not in the sudoers")
MAX_TOLD = 200


class SudoSmiGpu:
    """Sets one GPU by nvidia-smi.

    ClocksDenied where sudo does not let this user run it without a password.
    """

    def __init__(self, gpu: NvmlGpu) -> None:
        """Ask sudo what it allows; such a listing is not reported to the administrator, as an attempt would be."""
        sudo, smi = shutil.which("sudo"), shutil.which("nvidia-smi")
        if sudo is None or smi is None:
            raise ClocksDenied(f"{'sudo' if sudo is None else 'nvidia-smi'} is not on the PATH")
        self._command = [sudo, "-n", smi, "-i", gpu.uuid()]
        if self._run([sudo, "-n", "-l", *self._command[2:], "--reset-gpu-clocks"]).returncode != 0:
            raise ClocksDenied("sudo does not let this user run nvidia-smi without a password")

    def lock_sm_clock(self, low_mhz: int, high_mhz: int) -> None:
        """Keep the core clock between the two."""
        self._set(f"--lock-gpu-clocks={low_mhz},{high_mhz}")

    def lock_memory_clock(self, clock_mhz: int) -> None:
        """Lock the memory clock."""
        self._set(f"--lock-memory-clocks={clock_mhz},{clock_mhz}")

    def reset_sm_clock(self) -> None:
        """Undo any lock of the core clock."""
        self._set("--reset-gpu-clocks")

    def reset_memory_clock(self) -> None:
        """Undo any lock of the memory clock."""
        self._set("--reset-memory-clocks")

    def set_power_limit(self, limit_w: float) -> None:
        """Set the power limit."""
        self._set(f"--power-limit={limit_w:g}")

    def _set(self, option: str) -> None:
        ended = self._run([*self._command, option])
        told = " ".join(f"{ended.stderr} {ended.stdout}".split())
        if ended.returncode == 0 and not any(word in told.lower() for word in REFUSED_WORDS):
            return
        may_not = ended.returncode == NO_PERMISSION or any(word in told for word in SUDO_DENIES)
        problem = f"sudo nvidia-smi {option} ended with {ended.returncode}: {told[:MAX_TOLD]}"
        raise ClocksDenied(problem) if may_not else ClockControlError(problem)

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LIMIT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ClockControlError(f"{' '.join(command)}: {error}") from error
