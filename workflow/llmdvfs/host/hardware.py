"""What this host is."""

import hashlib
import os
import platform
import socket
from pathlib import Path
from typing import Any

import psutil


def hardware() -> dict[str, Any]:
    """Return what the host is; its name only as a hash, since results get published."""
    return {
        "cpu_model": _cpu_model(),
        "num_cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "host": hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12],
    }


def _cpu_model() -> str | None:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return None
