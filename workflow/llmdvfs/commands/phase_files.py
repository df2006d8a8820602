"""`phase-files`: from the cells of a deployment to the files that the original system wrote."""

import argparse
from pathlib import Path

from llmdvfs.analysis.deployment_files import CellFiles, deployment_files
from llmdvfs.records.places import RAW, RUN, listed_cells
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record, write_record
from llmdvfs.records.timeline_file import read_timeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--cells", type=Path, required=True, help="list of the folders of the deployment's cells")
    parser.add_argument("--output", type=Path, required=True, help="folder of the files")


def run(options: argparse.Namespace) -> int:
    """Write the files of one deployment."""
    cells = [
        CellFiles(
            run=read_record(folder / RAW / RUN, RunRecord),
            result=read_record(folder / "result.json", CellResult),
            timeline=read_timeline(folder / "timeline.csv"),
        )
        for folder in listed_cells(options.cells)[0]
    ]
    for name, record in deployment_files(cells).items():
        write_record(options.output / name, record)
    return 0
