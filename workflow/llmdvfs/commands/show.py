"""`show`: prints any record of a results folder in words."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmdvfs.answers.words import explain
from llmdvfs.comparison.words.text import comparison_text
from llmdvfs.errors import DataError
from llmdvfs.records.answers import AnswersRecord
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.outline import outline
from llmdvfs.records.result import CellResult
from llmdvfs.records.result_text import result_text
from llmdvfs.records.store import record_of, schema_name

IN_FOLDERS = ("comparison/comparison.json", "comparison.json", "result.json", "answers.json", "run.json", "launch.json")
WORDS: dict[str, tuple[type[Any], Callable[[Any], str]]] = {
    schema_name(ComparisonRecord): (ComparisonRecord, comparison_text),
    schema_name(AnswersRecord): (AnswersRecord, explain),
    schema_name(CellResult): (CellResult, result_text),
}
"""Schemas that have words of their own; any other is shown as an outline."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", type=Path, help="a JSON or JSON lines file, a cell's folder, or the results folder")


def run(options: argparse.Namespace) -> int:
    """Print the record that the path stands for."""
    print(_words(_file(options.path)), end="")
    return 0


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = next((path / name for name in IN_FOLDERS if (path / name).is_file()), None)
    if found is None:
        raise DataError(
            f"{path} has none of {', '.join(IN_FOLDERS)}; expected the results of a run of `snakemake`, a cell's "
            "folder, or the name of a file"
        )
    return found


def _words(path: Path) -> str:
    data = _read(path)
    kind = WORDS.get(str(data.get("schema")))
    if kind is not None:
        record, words = kind
        return words(record_of(path, data, record))
    return "\n".join(outline(data)) + "\n"


def _read(path: Path) -> dict[str, Any]:
    """Return the file's JSON object; of JSON lines their number, and the first one."""
    if path.exists() and not path.is_file():  # a device may have no end
        raise DataError(f"{path}: is no file; expected a record of a results folder")
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            lines = text.splitlines()
            return {"lines": len(lines), "first": json.loads(lines[0]) if lines else None}
        data = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}); expected a record of a results folder") from error
    return data if isinstance(data, dict) else {"items": data}
