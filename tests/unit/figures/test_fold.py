import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdvfs.figures.parts.fold import fold_name


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("load-64", 10, "load-64"),
        ("long-prompts-64", 12, "long-\nprompts-64"),
        ("tensor_parallel 2", 8, "tensor_\nparallel\n2"),
        ("load-1, clock-345", 16, "load-1,\nclock-345"),
        ("load-1, stock", 16, "load-1, stock"),
        ("unbreakable", 4, "unbr\neaka\nble"),
    ],
)
def test_names_break_where_a_reader_would(name: str, width: int, lines: str) -> None:
    assert fold_name(name, width) == lines


@given(st.text("ab-_", max_size=30), st.integers(2, 12))
def test_no_letter_is_lost_and_no_line_is_too_long(name: str, width: int) -> None:
    lines = fold_name(name, width).split("\n")
    assert "".join(lines) == name
    assert max(map(len, lines)) <= width
