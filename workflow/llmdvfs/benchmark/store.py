"""The store of finished measurements: complete or absent, written once, never edited."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmdvfs.records.raw import RUN


@contextmanager
def draft(results: Path, key: str) -> Iterator[Path]:
    """Give a folder to measure into; it enters the store, whole, only where the block ends without an error.

    After an error it stays aside as results/failed/{key}.{n}: what was recorded is evidence.
    """
    folder = results / "drafts" / f"{key}.{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    except BaseException as error:
        place = set_aside(folder, results / "failed", key)
        error.add_note(f"what was recorded is in {place}")
        raise
    for path in (*folder.iterdir(), folder):
        _flush(path)
    target = entry(results, key)
    target.parent.mkdir(exist_ok=True)
    folder.rename(target)
    _flush(target.parent)


def entry(results: Path, key: str) -> Path:
    """Return the folder of a measurement in the store, whether it is there or not."""
    return results / "store" / key


def is_finished(results: Path, key: str) -> bool:
    """Whether the store has the measurement: run.json is the last file that is written, and folders come in whole."""
    return (entry(results, key) / RUN).is_file()


def deliver(results: Path, key: str, output: Path) -> None:
    """Make `output` the measurement's folder, whole or not at all.

    It holds hard links into the store, so that removing it loses nothing.
    """
    part = output.with_name(f".{output.name}.part")
    for folder in (part, output):
        shutil.rmtree(folder, ignore_errors=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(entry(results, key), part, copy_function=_link)
    part.rename(output)


def clear_drafts(results: Path, key: str) -> None:
    """Set aside what measurements of this key left half-written when their process was killed."""
    for folder in (results / "drafts").glob(f"{key}.*"):
        set_aside(folder, results / "failed", key)


def set_aside(folder: Path, place: Path, key: str) -> Path:
    """Move a folder to place/{key}.{n}, which is returned: nothing that was recorded is removed."""
    place.mkdir(parents=True, exist_ok=True)
    number = 1 + sum(1 for _ in place.glob(f"{key}.*"))
    return folder.rename(place / f"{key}.{number}")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
