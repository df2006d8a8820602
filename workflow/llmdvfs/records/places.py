"""Where things lie in a results folder: one home for the paths that several rooms need.

    store/<key>/                                       a finished measurement: its raw files and `identity.json`
    cells/<deployment>/<workload>/<point>/launch-<n>/  what people look at
        measured-<key>.json                            link to the run.json of the measurement: the file Snakemake sees
        raw                                            link to the measurement's folder in the store

The key is part of a path that Snakemake sees. A cell whose measurement is not the one asked for has no file of that
name, whatever is in `.snakemake/` and whatever the time stamps are.
"""

from pathlib import Path

from llmdvfs.errors import DataError
from llmdvfs.records.spec import CellId

STORE = "store"
RAW = "raw"
RUN = "run.json"
FAILED = "failed.json"
"""A raw folder that has it has nothing else: the cell could not be measured."""
IDENTITY = "identity.json"
PROGRESS = "jobs/progress.json"
"""Below the results folder: what the run that is on, or was last on, is to measure."""


def cell_folder(results: Path, cell: CellId) -> Path:
    """Return the folder that holds all of a cell."""
    return results / "cells" / cell.folder()


def listed_cells(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders that a list names, a line each: of the cells with a result, and of those that failed.

    Raises DataError for a folder that has neither: something that the list was made for did not come about.
    """
    try:
        folders = [Path(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected a list of cells' folders, a line each") from error
    if not folders:
        raise DataError(
            f"{path}: lists no cell; expected the folders of measured cells, a line each; run snakemake again"
        )
    try:
        failed = [folder for folder in folders if (folder / RAW / FAILED).exists()]
        measured = [folder for folder in folders if folder not in set(failed)]
        missing = [folder for folder in measured if not (folder / "result.json").exists()]
    except OSError as error:  # a name of 300 letters, of a list that is none
        raise DataError(f"{path}: lists what cannot be a folder ({error.strerror}); run snakemake again") from error
    if missing:
        raise DataError(
            f"{path} lists {missing[0]}, which has no result.json; expected one, or {RAW}/{FAILED}; run snakemake again"
        )
    return measured, failed


def decided_file(results: Path) -> Path:
    """Return the file that says what an adaptive search has decided so far (records/search.py)."""
    return results / "search" / "decided.json"


def added_launches_file(results: Path) -> Path:
    """Return the file that says how many launches a sequential study has come to (records/sequential.py)."""
    return results / "sequential" / "decided.json"


def comparison_file(results: Path) -> Path:
    """Return the comparison of all cells of a study."""
    return results / "comparison" / "comparison.json"


def comparison_table(stored: Path) -> Path:
    """Return the comparison.csv of a results folder, or of a folder that holds one, or the file itself."""
    if stored.is_dir():
        inner = stored / "comparison" / "comparison.csv"
        return inner if inner.exists() else stored / "comparison.csv"
    return stored


def result_folders(results: Path) -> list[Path]:
    """Return the folders of all analysed cells in a results folder; DataError where there are none."""
    found = sorted(path.parent for path in results.glob("cells/*/*/*/launch-*/result.json"))
    if not found:
        raise DataError(
            f"{results} has no cells/<deployment>/<workload>/<point>/launch-<n>/result.json; expected the results "
            f"folder of a study that was measured and analysed"
        )
    return found


def store_entry(results: Path, key: str) -> Path:
    """Return the folder of a measurement in the store, whether it is there or not."""
    return results / STORE / key


def measured_link(cell: Path, key: str) -> Path:
    """Return the path of the link that exists only where a cell's folder holds the measurement with this key."""
    return cell / f"measured-{key}.json"


def measured_links(cell: Path) -> list[Path]:
    """Return the links to measurements that stand in a cell's folder: one, or none."""
    return sorted(cell.glob("measured-*.json"))


def key_of(link: Path) -> str:
    """Return the key that is part of such a link's name."""
    return link.stem.removeprefix("measured-")
