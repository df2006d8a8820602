"""Files on a command line: a type of argparse that refuses what no command may write."""

import argparse
import os
from pathlib import Path

from llmdvfs.records.raw import REQUESTS, RUN


def file_to_write(text: str) -> Path:
    """Return the path of a file to write: no folder, and no file of a measurement, which nobody writes again."""
    path = Path(text)
    if not text or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder; expected the name of a file to write")
    folder = Path(os.path.realpath(path)).parent
    if (folder / RUN).exists() and (folder / REQUESTS).exists():
        raise argparse.ArgumentTypeError(
            f"{text} lies among the raw files of a measurement, which are never written again; name a file elsewhere"
        )
    return path
