"""The right to set clocks, as the kernel tells it."""

from pathlib import Path

import pytest

from llmdvfs.host.capabilities import may_set_clocks


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("CapEff:\t0000000000200000\n", True),  # bit 21, CAP_SYS_ADMIN
        ("CapEff:\t00000000a80425fb\n", False),  # what containers are given
        ("Name:\tpython\n", None),
        (None, None),
    ],
)
def test_the_right_to_set_clocks(tmp_path: Path, status: str | None, expected: bool | None) -> None:
    if status is not None:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/status").write_text(status)
    assert may_set_clocks(tmp_path) is expected
