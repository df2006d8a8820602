"""Which stages after the measurement have to be made for which cells."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmdvfs.plan.cells import PlannedCell
from llmdvfs.records.made import FILES, STAGES, DrawnCells, Stage, stamp
from llmdvfs.records.store import is_whole

FEW_CELLS = 16  # one start of Python and its imports (a second) serves so many; more would leave more cores idle
MANY_CELLS = 128  # their folders and stamps are one argument of a shell, of which Linux takes 128 KiB
PARTS = 32  # of a stage of a large study: each is a job, which costs a plan time and memory (docs/planning.md)


@dataclass(frozen=True, slots=True)
class MadeCell:
    """A cell with the stamps that say what has been made of its measurement."""

    folder: Path
    measured: Path
    """Path of the file that stands in the folder where the measurement is there."""
    stamps: dict[Stage, str]
    """Path of each stage's stamp, whose name is of what the stage is made from: text, a third of a Path's memory."""
    stale: frozenset[Stage]
    """Stages whose files are not there, or were made from something else."""
    is_awaited: bool = False
    """Whether its launch is measured beside other jobs, so that all is made of it as soon as it has ended."""


def made_cells(
    cells: Iterable[PlannedCell],
    folders: Iterable[Path],
    made_from: Mapping[Stage, str],
    drawn: DrawnCells = "all",
    awaited: Collection[tuple[str, int]] = (),
) -> list[MadeCell]:
    """Return for each cell what is to be made of it.

    folders: those of the cells, in their order. made_from: what each stage depends on besides the measurement, its code
    and settings, as one text. drawn: the cells of which there are figures; where that is for a cell's gates to say, its
    stamp alone says that it was looked at, and without any figures nothing is stale for want of them. awaited: the
    deployments and numbers of the launches that are measured beside other jobs.
    """
    stages = STAGES[:-1] if drawn == "none" else STAGES
    files = FILES if drawn == "all" else {**FILES, "figures": ()}
    looked = made_from if drawn == "all" else {**made_from, "figures": f"{made_from['figures']} {drawn}"}
    return [
        _made_cell(cell, folder, looked, stages, files, is_awaited=(cell.id.deployment, cell.id.launch) in awaited)
        for cell, folder in zip(cells, folders, strict=True)
    ]


def current_files(cells: Iterable[MadeCell], asked: Iterable[str]) -> list[str]:
    """Return those of some paths that are files of cells which are there and current.

    Not figures where a study draws none: what lies there may be of another measurement.
    """
    current = {
        (cell.folder / name).absolute()
        for cell in cells
        for stage in cell.stamps
        if stage not in cell.stale
        for name in FILES[stage]
    }
    return [path for path in asked if Path(path).absolute() in current and Path(path).exists()]


def cells_a_job(num_cells: int) -> int:
    """Return how many cells of a study a job is to make a stage of, at most."""
    return min(max(FEW_CELLS, num_cells // PARTS), MANY_CELLS)


def jobs(cells: Iterable[MadeCell], stage: Stage, most: int) -> Iterator[tuple[str, Sequence[MadeCell]]]:
    """Yield groups of at most `most` cells for which a stage has to be made, each with its name.

    A group is what is stale among so many neighbours of one deployment: of one launch where that is awaited, so that
    nothing waits for other launches; else of all launches. Its name numbers the neighbours, whether stale or not. So
    name and cells stay as they are while other groups are being made: a cluster's job reads the Snakefile anew when it
    begins, and finds itself by this name.
    """
    neighbours: dict[tuple[str, str], list[MadeCell]] = {}
    for cell in cells:
        launch = cell.folder.name.replace("-", "_") if cell.is_awaited else "launches"
        neighbours.setdefault((cell.folder.parts[-4], launch), []).append(cell)
    for (_, launch), own in neighbours.items():
        for number, first in enumerate(range(0, len(own), most)):
            if stale := [cell for cell in own[first : first + most] if stage in cell.stale]:
                yield f"{launch}_part_{number}", stale


def _made_cell(
    cell: PlannedCell,
    folder: Path,
    made_from: Mapping[Stage, str],
    stages: Sequence[Stage],
    files: Mapping[Stage, Sequence[str]],
    *,
    is_awaited: bool,
) -> MadeCell:
    stamps: dict[Stage, str] = {}
    stale: set[Stage] = set()
    digest = cell.key
    for stage in stages:
        digest = hashlib.sha256(f"{digest} {made_from[stage]}".encode()).hexdigest()[:12]
        stamps[stage] = str(stamp(folder, stage, digest))
        if stale or not cell.is_held or not _is_there(folder, files[stage], stamps[stage]):
            stale.add(stage)
    return MadeCell(folder, cell.link, stamps, frozenset(stale), is_awaited)


def _is_there(folder: Path, files: Iterable[str], own: str) -> bool:
    return Path(own).exists() and all(is_whole(folder / name) for name in files)
