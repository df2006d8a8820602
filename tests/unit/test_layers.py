"""Imports point down: errors, clock <- host, records <- rooms <- benchmark <- commands <- __main__."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "workflow" / "llmdvfs"
GROUND = {"errors", "clock", "host", "records", "__version__"}
ALLOWED = {
    "errors": set(),
    "clock": set(),
    "host": {"errors"},
    "records": {"errors", "clock", "records"},
    "inputs": {"errors"},
    "arrivals": {*GROUND, "inputs"},
    "connectors": GROUND,
    "architectures": {*GROUND, "connectors"},
    "models": GROUND,
    "routing": {*GROUND, "connectors"},
    "plan": {*GROUND, "architectures", "arrivals", "connectors", "inputs", "models"},
    "serving": {*GROUND, "architectures", "connectors", "models", "routing"},
    "load": {*GROUND, "arrivals", "connectors", "inputs", "routing"},
    "telemetry": GROUND,
    "analysis": {*GROUND, "arrivals"},
    "comparison": {*GROUND, "arrivals"},
    "answers": GROUND,
    "figures": GROUND,
    "search": {*GROUND, "plan", "answers"},
    "sequential": {*GROUND, "plan"},
    "report": GROUND,
    "hosts": {*GROUND, "connectors", "models", "serving", "telemetry"},
    "doctor": {*GROUND, "arrivals", "connectors", "models", "plan", "serving", "telemetry", "hosts", "benchmark"},
    "benchmark": {*GROUND, "plan", "serving", "load", "telemetry", "hosts", "connectors"},
}
ONLY_IN = {
    "pynvml": {"telemetry/nvml.py", "telemetry/nvml_call.py", "telemetry/nvml_arrays.py", "telemetry/gpm.py"},
    "quart": {"serving/proxy/app.py"},
    "snakemake": set(),
    "vllm": set(),
    "torch": set(),
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


FILES = sorted(LIBRARY.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_imports_point_down(path: Path) -> None:
    parts = path.relative_to(LIBRARY).parts
    room = parts[0].removesuffix(".py")
    if room in ALLOWED:
        for name in imports(path):
            if name.startswith("llmdvfs."):
                imported = name.split(".")[1]
                assert imported == room or imported in ALLOWED[room], f"{room} imports {name}"


@pytest.mark.parametrize("library", ONLY_IN)
def test_outside_libraries_have_one_door(library: str) -> None:
    found = {
        str(path.relative_to(LIBRARY)) for path in FILES if any(name.split(".")[0] == library for name in imports(path))
    }
    assert found <= ONLY_IN[library]
