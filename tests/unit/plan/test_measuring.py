"""The measuring version is raised by hand; this is what reminds of it."""

import json
from pathlib import Path

import pytest

from llmdvfs.plan.measuring import MEASURING_VERSION, _fingerprint, measuring_files

RECORDED = Path(__file__).parents[2] / "golden" / "measuring_code.json"


def test_the_measuring_code_is_the_recorded_one() -> None:
    """An edit of measuring code is a decision: does it change what is measured? Then every cell is measured again."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    files = measuring_files()
    changed = sorted(name for name in {*files, *recorded["files"]} if files.get(name) != recorded["files"].get(name))
    assert not changed, (
        f"measuring code has changed: {', '.join(changed)}. If that changes what is measured, raise MEASURING_VERSION "
        "in workflow/llmdvfs/plan/measuring.py. Then run `make measuring`, and commit what it wrote"
    )
    assert recorded["measuring_version"] == MEASURING_VERSION


@pytest.mark.parametrize(
    "file", ["clock.py", "plan/seeds.py", "load/own_error/mock_server.py", "load/own_error/calibration.py"]
)
def test_files_that_were_missing_in_the_key_take_part(file: str) -> None:
    assert file in measuring_files()


@pytest.mark.parametrize("file", ["analysis/cell.py", "figures/table.py", "plan/study.py", "comparison/groups.py"])
def test_what_only_looks_at_measurements_takes_no_part(file: str) -> None:
    assert file not in measuring_files()


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('"""Doc."""\n\n# why\ndef f() -> int:\n    """Doc é."""\n    return  1  # é\n', True),
        ("def f() -> int:\n    return 1\n", True),
        ("def f() -> int:\n    return 2\n", False),
        ('def f() -> int:\n    return 1\n\n\nTEXT = "# no comment"\n', False),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(tmp_path: Path, text: str, same: bool) -> None:
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text("def f() -> int:\n    return 1\n")
    second.write_text(text)
    assert (_fingerprint(first) == _fingerprint(second)) == same
