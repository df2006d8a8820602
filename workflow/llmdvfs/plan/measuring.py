"""Which code measured: a version raised by hand, and fingerprints that remind of raising it (decisions/0005)."""

import ast
import hashlib
import io
import tokenize
from pathlib import Path

from llmdvfs.plan.code_hash import ROOT, reachable

MEASURING_VERSION = 1
"""Part of every measurement's key. Raise it when a change of code changes what is measured: then, and only then, are
all cells measured again."""

COMMANDS = (
    *("commands.benchmark", "commands.load", "commands.guard", "commands.proxy", "commands.mock_server"),
    "commands.agent",
)
ROOMS = (
    *("architectures", "arrivals", "benchmark", "connectors", "host", "hosts", "inputs"),
    *("load", "models", "records", "routing", "serving", "telemetry"),
)
ALONE = ("clock.py", "plan/seeds.py")


def measuring_files() -> dict[str, str]:
    """Return path below the library -> fingerprint, for every file that takes part in a measurement.

    A fingerprint is blind to comments, docstrings and white space, and the same in every version of Python.
    """
    files = (path.relative_to(ROOT) for path in reachable(COMMANDS))
    taking_part = [path for path in files if path.parts[0] in ROOMS or str(path) in ALONE]
    return {str(path): _fingerprint(ROOT / path) for path in sorted(taking_part)}


def _fingerprint(path: Path) -> str:
    """Return 12 hex digits of a file's text without what does not run."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    for (first_line, first_column), (last_line, last_column) in sorted(_silent_spans(source), reverse=True):
        for number in range(last_line, first_line - 1, -1):
            text = lines[number - 1]
            begin = first_column if number == first_line else 0
            end = last_column if number == last_line else len(text)
            lines[number - 1] = text[:begin] + text[end:]
    return hashlib.sha256("".join("".join(lines).split()).encode()).hexdigest()[:12]


def _silent_spans(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return where comments and docstrings stand, as (line, column) of begin and end; columns count characters."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    spans = [(token.start, token.end) for token in tokens if token.type == tokenize.COMMENT]
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            begin = len(lines[node.lineno - 1].encode()[: node.col_offset].decode())
            end = len(lines[node.end_lineno - 1].encode()[: node.end_col_offset].decode())
            spans.append(((node.lineno, begin), (node.end_lineno, end)))
    return spans
