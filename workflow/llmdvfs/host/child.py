"""Environment and signals of child processes: they import the same checkout, and can end with their parent."""

import ctypes
import os
import signal
from collections.abc import Mapping
from pathlib import Path

PACKAGE_ROOT = Path(__file__).parents[2]
PR_SET_PDEATHSIG = 1


def library_environment(further: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment and further variables, in which `python -m llmdvfs` is this checkout's.

    PYTHONPATH is never taken from the further ones: a child that imports another checkout would measure with that.
    """
    python_path = os.pathsep.join(filter(None, (str(PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, **(further or {}), "PYTHONPATH": python_path}


def set_parent_death_signal(number: signal.Signals, parent_pid: int) -> None:
    """Have the kernel send this process a signal when its parent dies; that survives exec.

    parent_pid: the parent when this process was started. Where it has died already, the signal is sent at once.
    """
    process_control(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), number)


def process_control(option: int, value: int) -> None:
    """Call prctl(2); OSError where the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")
