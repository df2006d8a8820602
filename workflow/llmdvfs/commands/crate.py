"""`crate`: writes ro-crate-metadata.json into a results folder, which makes an RO-Crate of it."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.counted import counted
from llmdvfs.records.places import RAW, RUN, comparison_file, result_folders
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record, write_text
from llmdvfs.report.crate import METADATA, crate

AT_THE_TOP = ("report.html", "provenance.html")
FOLDERS = ("comparison", "answers")
OF_A_CELL = ("result.json", "timeline.csv", "phases.json", f"{RAW}/{RUN}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the argument."""
    parser.add_argument("results", type=Path, help="results folder of a study that was measured and compared")


def run(options: argparse.Namespace) -> int:
    """Write the file and say where."""
    results = options.results
    cells = result_folders(results)
    runs = [read_record(cell / RAW / RUN, RunRecord) for cell in cells]
    sizes = {path.relative_to(results).as_posix(): path.stat().st_size for path in _files(results, cells)}
    content = crate(read_record(comparison_file(results), ComparisonRecord), runs, sizes)
    write_text(results / METADATA, json.dumps(content, indent=1) + "\n")
    print(f"{results / METADATA}: {counted(len(sizes), 'file')} of {counted(len(cells), 'cell')}")
    return 0


def _files(results: Path, cells: list[Path]) -> Iterator[Path]:
    """Yield what is told: the page, comparison and answers, and the records of each cell."""
    yield from (path for name in AT_THE_TOP if (path := results / name).is_file())
    yield from (path for name in FOLDERS for path in sorted((results / name).glob("*")) if path.is_file())
    yield from (path for cell in cells for name in OF_A_CELL if (path := cell / name).is_file())
