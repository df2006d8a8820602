"""`explain`: from answers.json to what to set and why, in plain words."""

import argparse
from pathlib import Path

from llmdvfs.answers.words import explain
from llmdvfs.errors import DataError
from llmdvfs.records.answers import AnswersRecord
from llmdvfs.records.store import read_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "path", type=Path, help="answers.json, or the folder it lies in (results/answers), or the results folder"
    )


def run(options: argparse.Namespace) -> int:
    """Print the explanation."""
    print(explain(read_record(answers_file(options.path), AnswersRecord)), end="")
    return 0


def answers_file(path: Path) -> Path:
    """Return the answers.json that a file or a results folder stands for; DataError where a folder has none."""
    if not path.is_dir():
        return path
    candidates = (path / "answers.json", path / "answers" / "answers.json")
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    if found is None:
        raise DataError(
            f"{path} has no answers/answers.json; expected the results of a study of several operating points "
            "(`operating_points`, `core_clocks` or `search` of its configuration), after `snakemake` has run to its end"
        )
    return found
