"""The page that says where the answers to a cloud engineer's questions stand names nothing that does not exist."""

import dataclasses
import inspect
import re
from pathlib import Path
from typing import get_args

from llmdvfs.figures.answer_figures import ANSWER_FIGURES
from llmdvfs.records import answers, point
from llmdvfs.records.rule import Rule

PAGE = Path(__file__).parents[3] / "docs" / "dvfs.md"
COMMANDS = {"fleet", "explain", "clocks apply"}
MARKS = {"= best"}  # of answers.txt


def test_every_name_in_the_twelve_answers_is_one_that_a_reader_finds() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Before applying it")[2]
    rows = [line for line in section.splitlines() if re.match(r"\| \d+\. ", line)]
    assert len(rows) == 12
    records = [kind for module in (answers, point) for _, kind in inspect.getmembers(module, dataclasses.is_dataclass)]
    known = {field.name for kind in records for field in dataclasses.fields(kind)}
    known |= {*get_args(answers.FlagName), *get_args(Rule), *(f"{name}.png" for name in ANSWER_FIGURES)}
    told = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert told <= known | COMMANDS | MARKS, told - known - COMMANDS - MARKS
