"""What has been made of a cell's measurement, and from what: stamps whose names say it.

A stamp `.made/<stage>-<digest>` stands in a cell's folder where the stage's files are there and were made from this
measurement, by this code, with these settings: the digest is of all that, of the stages before it too. So what is made
of a cell is current or it is not, whatever has happened to `.snakemake/` and to time stamps.
"""

from pathlib import Path
from typing import Literal

Stage = Literal["merge", "analyze", "figures"]
STAGES: tuple[Stage, ...] = ("merge", "analyze", "figures")
"""In their order; each needs the ones before it."""
FILES: dict[Stage, tuple[str, ...]] = {
    "merge": ("timeline.csv", "phases.json"),
    "analyze": ("result.json",),
    "figures": ("timeline.png", "timeline.pdf", "latency.png", "latency.pdf"),
}
"""What each stage makes in a cell's folder."""
DrawnCells = Literal["all", "doubtful", "none"]
"""The cells that are drawn; doubtful: those that failed a gate. Of what is not drawn, the stamp alone is made."""


def stamp(cell: Path, stage: Stage, digest: str) -> Path:
    """Return the path of the stamp that says that a stage's files were made from what the digest stands for."""
    return cell / ".made" / f"{stage}-{digest}"


def begin(cell: Path, stage: Stage) -> None:
    """Remove the stamps of a stage and of all later ones from a cell's folder: the stage is about to be made anew.

    Their folder is there then: Snakemake makes that of the one stamp that it is told of a job, and no other.
    """
    (cell / ".made").mkdir(exist_ok=True)
    for later in STAGES[STAGES.index(stage) :]:
        for old in (cell / ".made").glob(f"{later}-*"):
            old.unlink(missing_ok=True)
