"""The seal of a raw folder: checksums of its files in `run.json`, so that nobody reads what was edited afterwards."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from llmdvfs.errors import SchemaError


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that lies in a folder, in hex, by name."""
    return {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.is_file()}


def check_seal(folder: Path, told: Mapping[str, str] | None, names: Iterable[str]) -> None:
    """Raise SchemaError for the first of these files that is not as it was recorded: cut, edited, added or removed.

    told: the checksums in run.json; None in a measurement from before there were any, of which no file is looked at.
    names: the files to look at, which may be there or not.
    """
    for name in names if told is not None else ():
        path, recorded = folder / name, (told or {}).get(name)
        found = _sha256(path) if path.exists() else None
        if found != recorded:
            seen, expected = (f"SHA-256 {sum_[:12]}..." if sum_ else "no such file" for sum_ in (found, recorded))
            raise SchemaError(
                f"{path}: is not as it was recorded: {seen}, expected {expected} (checksums in run.json). Somebody has "
                "changed it after the measurement: put the file back, or have the cell measured again by "
                "`python -m llmdvfs forget`"
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
