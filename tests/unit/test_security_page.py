"""docs/security.md promises nothing that no test holds."""

import ast
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
LINK = re.compile(r"\]\((\.\./tests/[^)]+)\)((?: `\w+`,?)+)")


def test_every_line_names_a_test_that_is_there() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    promises = [line for line in lines if line.startswith("| ") and line != "| what | test |"]
    assert len(promises) > 20
    for line in promises:
        named = LINK.findall(line)
        assert named, f"no test: {line}"
        for file, names in named:
            source = ast.parse((PAGE.parent / file).read_text(encoding="utf-8"))
            tests = {node.name for node in ast.walk(source) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
            assert set(re.findall(r"\w+", names)) <= tests, line
