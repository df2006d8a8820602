"""Takes the measurements of another results folder into one: those of another machine, say. Nothing is overwritten."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llmdvfs.benchmark.store import deliver, enter, is_finished
from llmdvfs.errors import SchemaError
from llmdvfs.records.places import FAILED, IDENTITY, RAW, RUN, key_of, measured_link, measured_links, store_entry
from llmdvfs.records.run import RunRecord
from llmdvfs.records.seal import check_seal
from llmdvfs.records.store import read_record


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of one cell of the other folder."""

    cell: str
    """`deployment/workload/point/launch-n`."""
    conflict: str | None = None
    """Why it was not taken, in words; None: the folder has it now."""
    is_new: bool = False
    """It was not there before."""


def merge(source: Path, into: Path) -> Iterator[Merged]:
    """Take every measured cell of `source` over, and yield what became of each, in the order of their names.

    A cell that `into` holds otherwise stays as it is there, and a damaged measurement is left where it lies; both are
    conflicts. Failed cells are not taken: what is missing shows as missing. The caller holds the lock of `into`.
    """
    cells = source / "cells"
    for folder in sorted({link.parent for link in cells.glob("*/*/*/launch-*/measured-*.json")}):
        if not (folder / RAW / FAILED).exists():
            yield _merge_cell(folder, str(folder.relative_to(cells)), into)


def _merge_cell(folder: Path, name: str, into: Path) -> Merged:
    key, target = key_of(measured_links(folder)[0]), into / "cells" / name
    held = [key_of(link) for link in measured_links(target) if not (target / RAW / FAILED).exists()]
    if held and held != [key]:
        return Merged(
            name,
            f"{target} holds measurement {held[0]}, and {folder} {key}: another workload, seed, engine, model or "
            "version; measure both with one configuration, or keep the folders apart and `compare` them",
        )
    is_there = is_finished(into, key)
    try:
        if is_there and (store_entry(into, key) / RUN).read_bytes() != (folder / RAW / RUN).read_bytes():
            _check(folder / RAW)  # a damaged one is told as such
            return Merged(
                name,
                f"both folders have measured it ({key}); the one in {target} stays. Let each machine measure launches "
                "of its own (`first_launch`), or `python -m llmdvfs forget` the one that is not wanted",
            )
        if not is_there:
            _take(folder / RAW, key, into)
    except SchemaError as error:
        return Merged(name, f"{error}; it was not taken")
    is_new = not measured_link(target, key).exists() or not is_there
    deliver(into, key, target)
    return Merged(name, is_new=is_new)


def _take(raw: Path, key: str, into: Path) -> None:
    """Copy a measurement into the store, once it is found to be as it was recorded; SchemaError where it is not."""
    _check(raw)
    draft = into / "drafts" / f"{key}.merged"
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(raw, draft)
    enter(into, draft, key)


def _check(raw: Path) -> None:
    """Raise SchemaError where a measurement is not as it was recorded."""
    run = read_record(raw / RUN, RunRecord)
    names = {path.name for path in raw.iterdir()} - {RUN, IDENTITY}
    check_seal(raw, run.checksums, sorted(names | set(run.checksums or ())))
