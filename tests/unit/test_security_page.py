"""docs/security.md and the damaged files of docs/faults.md promise nothing that no test holds."""

import ast
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
LINK = re.compile(r"\]\((\.\./tests/[^)]+)\)((?: `\w+`,?)+)")
TABLES = {"security.md": "| what | test |", "faults.md": "| what | then | test |"}
"""Page -> the head of its tables of promises."""


def promises(page: str) -> list[str]:
    """Return the rows of the page's tables of promises."""
    found, is_inside = [], False
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        is_inside = line == TABLES[page] or (is_inside and line.startswith("|"))
        if is_inside and line.startswith("| ") and line != TABLES[page]:
            found.append(line)
    return found


@pytest.mark.parametrize("page", TABLES)
def test_every_line_names_a_test_that_is_there(page: str) -> None:
    assert len(promises(page)) > 10
    for line in promises(page):
        named = LINK.findall(line)
        assert named, f"no test: {line}"
        for file, names in named:
            source = ast.parse((DOCS / file).read_text(encoding="utf-8"))
            tests = {node.name for node in ast.walk(source) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
            assert set(re.findall(r"\w+", names)) <= tests, line
