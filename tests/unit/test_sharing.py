"""The order in which workers take the tests, and what stays together."""

from pathlib import Path
from typing import Any

import sharing

TESTS = Path(__file__).parents[1]


def test_long_files_come_first_and_real_vllm_stays_with_one_worker() -> None:
    ids = ["tests/faults/test_matrix.py::a", "tests/unit/test_main.py::b", "tests/workflow/test_order.py::c"]
    ids += ["tests/faults/test_real_servers.py::d", "tests/faults/test_one_host.py::e"]
    ids += ["tests/real/test_faults.py::f", "tests/real/test_two_hosts.py::g"]
    items: list[Any] = [type("Item", (), {"nodeid": nodeid}) for nodeid in ids]
    sharing.pytest_collection_modifyitems(items)
    assert "".join(item.nodeid[-1] for item in items) == "fgdecab"
    assert {sharing.share(nodeid) for nodeid in ids if nodeid[-1] in "fgd"} == {"real vLLM"}
    assert len({sharing.share(nodeid) for nodeid in ids}) == 5


def test_every_place_that_comes_first_is_there() -> None:
    """A room that is renamed would be taken last, without a word."""
    assert [place for place in sharing.LONG_FIRST if not (TESTS.parent / place).exists()] == []
