"""docs/metrics.md#columns: every column of the tables is explained, and none is that does not exist."""

import re
from functools import cache

import pytest
from fakes.records import Toy, fake_cell, fake_study
from fakes.sweeps import sweep
from readmes import ROOT

from llmdvfs.analysis.axis.timeline import COLUMNS
from llmdvfs.answers.answer import answers
from llmdvfs.answers.lookup import lookup_rows, lookup_table
from llmdvfs.answers.table import answer_rows
from llmdvfs.comparison.groups import compare
from llmdvfs.comparison.words.rows import comparison_rows, summary_rows, tidy_rows
from llmdvfs.records.compared import METRICS

UNSET = re.compile(r"(applied_)?(sm_clock_min|memory_clock|power_limit)_<role>_(mhz|w)")
"""Settings that no cell of these tests has, and that have a column only where one has them."""


@cache
def section() -> str:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    return page.split("## Columns\n")[1].split("\n## ")[0]


def names(text: str) -> list[str]:
    return re.findall(r"`([a-z<][\w<>]*)`", text)


def explained(file: str) -> list[str]:
    [row] = [line for line in section().splitlines() if line.startswith(f"| `{file}`")]
    return list(dict.fromkeys(names(row.split(" | ", 1)[1])))


def pattern(name: str) -> re.Pattern[str]:
    metric = "|".join(map(re.escape, METRICS))
    return re.compile(name.replace("<role>", "(single|prefill|decode)").replace("<metric>", f"({metric})"))


@cache
def columns() -> dict[str, set[str]]:
    """Return the columns that each file has, of studies with two deployments and with clocks that were set."""
    swept = sweep({None: 1.0, 1200: 0.8}, {None: 1.0, 1200: 1.1})
    cells = [*fake_study(gpu=True, launches=2), fake_cell(Toy(gpu=True, clock_mhz=1200, duration_s=1.0))]
    record = compare([cell.result for cell in cells], [cell.run for cell in cells])
    answered = answers(swept)
    rows = {
        "comparison.csv": comparison_rows(record),
        "frequency_analysis_summary.csv": summary_rows(record),
        "summary.csv": list(tidy_rows(record)),
        "answers.csv": list(answer_rows(answered)),
        "lookup.csv": list(lookup_rows(lookup_table(answered.answers))),
    }
    return {file: {name for row in of_file for name in row} for file, of_file in rows.items()}


def test_every_metric_is_explained() -> None:
    table = section().split("| file, a row of it")[0]
    assert set(METRICS) <= set(names(table))
    assert set(names(table)) - {"<role>", "<metric>"} == set(METRICS)


@pytest.mark.parametrize(
    "file", ["comparison.csv", "frequency_analysis_summary.csv", "summary.csv", "answers.csv", "lookup.csv"]
)
def test_columns_are_those_that_are_explained(file: str) -> None:
    """14 columns of comparison.csv stood nowhere."""
    patterns = {name: pattern(name) for name in explained(file)}
    assert [own for own in columns()[file] if not any(each.fullmatch(own) for each in patterns.values())] == []
    unused = {name for name, each in patterns.items() if not any(map(each.fullmatch, columns()[file]))}
    assert {name for name in unused if not UNSET.fullmatch(name)} - {"applied_"} == set()


def test_the_timeline_begins_with_what_is_explained() -> None:
    assert explained("timeline.csv") == list(COLUMNS)


def test_every_schema_of_a_result_is_named_beside_its_file() -> None:
    """Ten of them were not, answers.json among them."""
    files = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8").split("\n## Files\n")[1]
    schemas = {path.name.removesuffix(".schema.json") for path in (ROOT / "workflow" / "schemas").glob("*.json")}
    assert {name for name in schemas if not re.search(rf"(?<![\w-]){name}(?![\w-])", files)} == {"config"}
