"""Installs a peer from its full lock into an environment of its own, once."""

import subprocess
import sys
from pathlib import Path


def installed(lock: Path) -> Path:
    """Return the environment of `NAME/locks/PEER.txt`: NAME/.venvs/PEER, which exists afterwards."""
    environment = lock.parents[1] / ".venvs" / lock.stem
    stamp = environment / "installed"
    if not stamp.exists():
        print(f"installing {lock.stem} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        pip = [environment / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "-r", lock]
        subprocess.run(pip, check=True)
        stamp.touch()
    return environment
