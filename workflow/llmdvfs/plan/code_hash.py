"""Hash of the code that a stage runs, blind to comments, docstrings, formatting and time stamps.

Snakemake tracks files by time and does not see an edit of an imported module; with this hash in `params:` a touch or a
comment re-runs nothing, and a change of code re-runs exactly the stages that use it.
"""

import ast
import atexit
import hashlib
import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from llmdvfs.errors import MISREAD

PACKAGE = "llmdvfs"
ROOT = Path(__file__).resolve().parents[1]
ASSETS = ("*.mplstyle", "*.toml", "fonts/*", "page/*")  # what code reads from its own folder, and so is a part of


def code_hash(modules: Iterable[str], *, only: Iterable[str] | None = None) -> str:
    """Return 12 hex digits over the syntax trees of `llmdvfs.<module>` and all they import from llmdvfs.

    only: first parts of the module names that count, e.g. {"load", "serving"}; None: all.
    """
    seen = reachable(modules)
    counted = sorted(path for path in seen if only is None or path.relative_to(ROOT).parts[0] in set(only))
    digest = hashlib.sha256()
    for path in counted:
        digest.update(f"{path.relative_to(ROOT)}\0{_parsed(path).digest}\0".encode())
    for folder in sorted({path.parent for path in counted}):
        for asset in _assets(folder):
            digest.update(asset.read_bytes())
    return digest.hexdigest()[:12]


def reachable(modules: Iterable[str]) -> set[Path]:
    """Return the files of `llmdvfs.<module>` and of all that they import from llmdvfs."""
    seen: set[Path] = set()
    waiting = [_source(f"{PACKAGE}.{module}") for module in modules]
    while waiting:
        path = waiting.pop()
        if path is not None and path not in seen:
            seen.add(path)
            waiting += _parsed(path).imports
    return seen


@cache
def _assets(folder: Path) -> tuple[Path, ...]:
    """Return what the code of a folder reads there."""
    return tuple(sorted(asset for pattern in ASSETS for asset in folder.glob(pattern)))


@cache
def _source(name: str) -> Path | None:
    """Return the file of a dotted name, or of the module that it is an attribute of; None if not ours."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return None
    for end in (len(parts), len(parts) - 1):
        path = ROOT.joinpath(*parts[1:end])
        if path.with_suffix(".py").is_file() and end > 1:
            return path.with_suffix(".py")
        if (path / "__init__.py").is_file():
            return path / "__init__.py"
    return None


class _Parsed(NamedTuple):
    """What of a file matters to the code that imports it."""

    digest: str
    """Hash of its syntax tree without docstrings."""
    imports: tuple[Path | None, ...]
    """Files of this library that it imports; None stands for a name without one."""


@cache
def _parsed(path: Path) -> _Parsed:
    """Return what a file holds, from memory where it has not changed, else parsed anew."""
    seen = path.stat()
    stamp = [seen.st_mtime_ns, seen.st_size]
    name = str(path.relative_to(ROOT))  # a copied or moved checkout remembers, too
    known = _memory().get(name)
    if known is None or known[0] != stamp:
        known = _memory()[name] = [stamp, *_parse(path)]
    _, digest, names = known
    return _Parsed(digest, tuple(_source(name) for name in names))


@cache
def _memory() -> dict[str, list[Any]]:
    """Return what earlier runs of Python have parsed: every start of Snakemake asks for all files of the library.

    It lies where Python keeps the compiled files, and is written at the end of this run; without it, files are parsed.
    """
    file = ROOT / "__pycache__" / f"code_hash-{sys.version_info.major}.{sys.version_info.minor}.json"
    memory: dict[str, list[Any]] = {}
    with suppress(OSError, *MISREAD):
        memory = dict(json.loads(file.read_text(encoding="utf-8")))
    known = json.dumps(memory)

    def keep() -> None:
        text = json.dumps(memory)
        if text != known:
            with suppress(OSError):
                file.parent.mkdir(exist_ok=True)  # missing where PYTHONDONTWRITEBYTECODE is set
                part = file.with_suffix(f".{os.getpid()}")
                part.write_text(text, encoding="utf-8")
                part.replace(file)

    atexit.register(keep)
    return memory


def _parse(path: Path) -> tuple[str, list[str]]:
    """Return the digest of a file's syntax tree without docstrings, and the dotted names of ours that it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [item for item in body if not _is_text(item)]  # type: ignore[attr-defined]
    own = sorted({name for name in names if name.split(".")[0] == PACKAGE})
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), own


def _is_text(node: ast.AST) -> bool:
    """Whether the statement is a bare string: a docstring, of a module, a class, a function or a field."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
