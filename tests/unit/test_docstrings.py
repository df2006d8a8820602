"""Every class and function of the library says what it is or returns, in a sentence.

ruff's rules D1 ask that of what is public; they leave out what stands inside a private class, whose methods are called
from elsewhere all the same. Local functions, private ones and `__init__` may go without.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "workflow" / "llmdvfs"


def test_everything_that_is_called_from_elsewhere_has_a_docstring() -> None:
    missing = [f"{where}: {name}" for where, name, text in _documented() if text is None]
    assert missing == []


def test_a_docstring_is_a_sentence() -> None:
    """`Over the window.` and `A recording.` told a newcomer nothing: a sentence has three words at least."""
    riddles = [
        f"{where}: {name}: {text}"
        for where, name, text in _documented()
        if text is not None and (len(text.split("\n\n")[0].split()) < 3 or not text.split("\n\n")[0].endswith("."))
    ]
    assert riddles == []


def test_ruff_refuses_what_is_public_and_has_none() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "D" in lint["select"]
    assert {rule for rule in lint["ignore"] if rule.startswith("D1")} == {"D105", "D107"}
    assert not any(path.startswith("workflow") for path in lint["per-file-ignores"])


def _documented() -> Iterator[tuple[str, str, str | None]]:
    """Yield file, name and docstring of every module, class, and function whose name is not private."""
    for path in sorted(LIBRARY.rglob("*.py")):
        where = str(path.relative_to(LIBRARY))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        yield where, "module", ast.get_docstring(tree)
        for name, node in _members(tree):
            yield where, name, ast.get_docstring(node)


def _members(
    parent: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in parent.body:
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name, node
            yield from _members(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield prefix + node.name, node
