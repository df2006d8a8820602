"""Ends whatever of an engine a bench has started: its processes have sessions of their own, and outlive the server."""

from contextlib import suppress

import psutil

VARIABLE = "LLMDVFS_BENCH_START"
"""Variable of the environment that every process of a start inherits; its value is the start's own."""


def mark(start: str) -> dict[str, str]:
    """Return the variables by which all processes of a start are found.

    Without SPT_NOENV an engine's process writes its title (`VLLM::EngineCore`) over its environment, where VARIABLE is:
    one was left on a GPU, with its memory.
    """
    return {VARIABLE: start, "SPT_NOENV": "1"}


def end_started(start: str) -> None:
    """Kill every process that was started with `mark(start)`, until none is left."""
    while found := [process for process in psutil.process_iter() if _start_of(process) == start]:
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=10)


def _start_of(process: psutil.Process) -> str | None:
    with suppress(psutil.Error, OSError):
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.environ().get(VARIABLE)
    return None
