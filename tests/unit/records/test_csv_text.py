"""Tables of a few rows as CSV."""

from llmdvfs.records.csv_text import csv_text


def test_a_row_may_lack_what_another_has() -> None:
    """Numbers of launches were `1.0` where another row had none."""
    rows = [{"metric": "TTFT, p99", "launch": 1, "value": 0.1}, {"metric": "ttft", "launch": None, "gate": True}]
    assert csv_text(rows) == 'metric,launch,value,gate\n"TTFT, p99",1,0.1,\nttft,,,True\n'


def test_no_row_no_column() -> None:
    assert csv_text([]) == "\n"
