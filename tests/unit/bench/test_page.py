"""A bench that is to write into a page says before it measures that there is no place for it."""

import argparse
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))
from page import marked_page, write_measured

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
