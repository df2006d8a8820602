"""The store of finished measurements: each is complete or absent, written once, never edited."""

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from llmdvfs.errors import MISREAD
from llmdvfs.records.places import FAILED, IDENTITY, RAW, RUN, key_of, measured_link, measured_links, store_entry
from llmdvfs.records.store import is_whole, write_text

READ_ONLY = 0o444


@contextmanager
def draft(results: Path, key: str, identity: Mapping[str, Any] | None = None, *, waits: bool = False) -> Iterator[Path]:
    """Give a folder to measure into for a block; it enters the store whole, if the block ends without an error.

    identity: what the key is the hash of; it is stored beside the measurement. waits: the folder does not enter yet,
    but is put where it waits for its calibration (`put_aside_to_wait`). After an error the folder is kept as
    results/failed/{key}.{n}: what was recorded is evidence.
    """
    folder = results / "drafts" / f"{key}.{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    except BaseException as error:
        if folder.is_dir():
            place = set_aside(folder, results / "failed", key)
            error.add_note(f"what was recorded is in {place}")
        else:
            error.add_note(f"{folder} is gone: somebody has moved or removed the results while they were measured")
        raise
    if waits:
        put_aside_to_wait(results, folder, key)
    else:
        enter(results, folder, key, identity)


def enter(results: Path, folder: Path, key: str, identity: Mapping[str, Any] | None = None) -> None:
    """Bring a complete folder into the store under a key, once its files have reached the disk."""
    if identity:
        write_identity(folder, identity)
    _complete(folder)
    _enter(results, key, folder)


def put_aside_to_wait(results: Path, folder: Path, key: str) -> None:
    """Put a folder that is whole but for the client's calibration where it waits for that (benchmark/waiting.py)."""
    _complete(folder)
    _move(folder, waiting_entry(results, key))


def _complete(folder: Path) -> None:
    """Let all files reach the disk, read-only."""
    for path in (*folder.iterdir(), folder):
        if path.is_file():
            path.chmod(READ_ONLY)
        _flush(path)


def _enter(results: Path, key: str, folder: Path) -> None:
    """Move a finished draft into the store; what lies in its place without a whole run.json is set aside."""
    target = store_entry(results, key)
    if target.is_symlink() or target.exists():
        set_aside(target, results / "forgotten", key)
    target.parent.mkdir(exist_ok=True)
    _move(folder, target)
    _flush(target.parent)


def write_identity(folder: Path, identity: Mapping[str, Any]) -> None:
    """Write the identity of a measurement, of which its key is the hash, into its folder."""
    write_text(folder / IDENTITY, json.dumps(identity, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def adopt(results: Path, folder: Path, key: str, identity: Mapping[str, Any]) -> None:
    """Move a measurement of the store to another key, and write beside it why it stands there.

    Its raw files stay as they are: run.json goes on telling the key that it was measured under.
    """
    write_identity(folder, identity)
    _move(folder, store_entry(results, key))


def is_finished(results: Path, key: str) -> bool:
    """Return whether the store has the measurement whole, that is, with a whole run.json."""
    return is_whole(store_entry(results, key) / RUN)


def waiting_entry(results: Path, key: str) -> Path:
    """Return where a measurement waits for its calibration, whether it is there or not."""
    return results / "drafts" / f"{key}.measured"


def is_measured(results: Path, key: str) -> bool:
    """Return whether the measurement is in the store, or waits for its calibration only."""
    return is_finished(results, key) or is_whole(waiting_entry(results, key) / RUN)


def measured_entry(results: Path, key: str) -> Path:
    """Return the folder of a measurement that is there: in the store, or where it waits."""
    return store_entry(results, key) if is_finished(results, key) else waiting_entry(results, key)


def deliver(results: Path, key: str, cell: Path) -> None:
    """Make the cell's folder show the measurement `key`: by the link `raw`, and a link whose name holds the key.

    What was made of another measurement is removed first, so that nobody takes it for this one's. Only the link with
    the key counts, and it is made last.
    """
    _clear(results, cell, key)
    raw = cell / RAW
    _link(raw, os.path.relpath(store_entry(results, key), cell), copy_of=store_entry(results, key))
    _link(measured_link(cell, key), f"{RAW}/{RUN}", copy_of=raw / RUN)


def deliver_failure(results: Path, key: str, cell: Path, record: str) -> None:
    """Make the cell's folder say why there is no measurement `key`: `raw` is then a folder with failed.json alone.

    record: the text of failed.json.
    """
    _clear(results, cell, key)
    raw = cell / RAW
    _remove(raw)
    write_text(raw / FAILED, record)
    _link(measured_link(cell, key), f"{RAW}/{FAILED}", copy_of=raw / FAILED)


def forget(results: Path, cell: Path) -> None:
    """Move the measurement that a cell's folder shows out of the store to results/forgotten, and its links away."""
    keys = [key_of(link) for link in measured_links(cell)]
    for link in measured_links(cell):
        link.unlink()
    _remove(cell / RAW)
    for key in keys:
        if store_entry(results, key).is_dir():
            set_aside(store_entry(results, key), results / "forgotten", key)


def clear_drafts(results: Path, key: str) -> None:
    """Set aside what measurements with this key left half-written when their process was killed."""
    for folder in (results / "drafts").glob(f"{key}.*"):
        set_aside(folder, results / "failed", key)


def set_aside(folder: Path, place: Path, key: str) -> Path:
    """Move a folder to place/{key}.{n}, and return that path: nothing that was recorded is ever removed.

    n is one more than the highest there is, so that a folder that somebody has removed leaves a gap and no collision.
    """
    place.mkdir(parents=True, exist_ok=True)
    numbers = [int(path.suffix[1:]) for path in place.glob(f"{key}.*") if path.suffix[1:].isdigit()]
    target = place / f"{key}.{max(numbers, default=0) + 1}"
    _move(folder, target)
    return target


def _move(folder: Path, target: Path) -> None:
    """Rename a folder, or copy it where the target is on another disk: it is there whole or not at all."""
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = target.with_name(f".{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(folder, part)
        for path in (*part.iterdir(), part):
            _flush(path)
        part.rename(target)
        shutil.rmtree(folder)


def _clear(results: Path, cell: Path, key: str) -> None:
    """Remove what was made of another measurement than `key`; the measurement itself stays in the store."""
    cell.mkdir(parents=True, exist_ok=True)
    _keep_only_copy(results, cell / RAW)
    held = [key_of(link) for link in cell.glob("measured-*.json")]
    if key not in held and (held or (cell / RAW).exists()):
        for path in cell.iterdir():
            _remove(path)
    for link in measured_links(cell):
        if key_of(link) != key:
            link.unlink()


def _keep_only_copy(results: Path, raw: Path) -> None:
    """Set a raw folder aside that is a copy of its own and of which the store has no other."""
    if raw.is_symlink() or not (raw / RUN).is_file():
        return
    with suppress(*MISREAD):  # of a damaged one nobody knows whose it is
        held = str(json.loads((raw / RUN).read_text(encoding="utf-8"))["key"])
        if not is_finished(results, held):
            set_aside(raw, results / "forgotten", held)


def _link(link: Path, target: str, copy_of: Path) -> None:
    """Make a relative link, which a results folder may be moved or copied with; where there are none, a copy."""
    part = link.with_name(f".{link.name}.part")
    _remove(part)
    try:
        part.symlink_to(target)
    except OSError:  # a file system without symbolic links
        if copy_of.is_dir():
            shutil.copytree(copy_of, part)
        else:
            shutil.copy2(copy_of, part)
    if link.is_dir() and not link.is_symlink():
        _remove(link)  # rename does not replace a folder
    part.rename(link)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
