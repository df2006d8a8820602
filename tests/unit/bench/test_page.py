"""A bench that is to write into a page says before it measures that there is no place for it."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[3] / "bench"
sys.path.insert(0, str(BENCH))
from page import marked_page, write_measured  # noqa: E402 (the path comes first)

PAGE = """# Page
<!-- measured: bench/own.py writes this part -->
old
<!-- end -->
<!-- measured: bench/other.py writes this part -->
theirs
<!-- end -->
"""


def test_a_table_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    write_measured(marked_page("bench/own.py")(str(page)), "bench/own.py", "new")
    assert page.read_text() == PAGE.replace("old", "new")


def test_a_page_without_the_mark_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    """docs/planning.md had none for the study's bench: it was told after 25 minutes, and the table was not written."""
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    with pytest.raises(argparse.ArgumentTypeError, match="bench/third"):
        marked_page("bench/third.py")(str(page))


def test_every_bench_that_writes_into_a_page_looks_for_its_mark_first() -> None:
    """Two did not: the soak would have measured for an hour and then added its part to the end of any page."""
    scripts = {path: path.read_text() for path in BENCH.rglob("*.py")}
    writing = {path for path, text in scripts.items() if '"--page"' in text}
    assert len(writing) > 10
    assert {path for path in writing if "marked_page(" not in scripts[path]} == set()


def test_a_mark_that_depends_on_an_option_is_looked_for_before_the_trials(tmp_path: Path) -> None:
    """`sweep_kills.py --under-load` has a part of its own; a page with the other part alone is refused."""
    page = tmp_path / "page.md"
    page.write_text("<!-- measured: bench/faults/sweep_kills.py writes this part -->\n<!-- end -->\n")
    command = [sys.executable, str(BENCH / "faults" / "sweep_kills.py"), "--under-load", "--page", str(page)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 2
    assert "has no line '<!-- measured: bench/faults/sweep_kills.py --under-load writes this part -->'" in told.stderr
