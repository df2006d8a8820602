"""Who measures alone keeps everybody out; who measures side by side keeps out only those who measure alone."""

import threading
import time
from pathlib import Path

import pytest

from llmdvfs.benchmark.host_lock import host_lock, preparing, undisturbed
from llmdvfs.errors import LockError
from llmdvfs.host.lock import share_lock, take_lock


def test_launches_side_by_side_share_the_host(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with host_lock(lock, shared=True), host_lock(lock, shared=True):
        assert take_lock(lock) is None


def test_a_launch_alone_shares_it_with_nobody(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with host_lock(lock):
        assert share_lock(lock) is None


def test_a_launch_side_by_side_waits_for_one_alone(tmp_path: Path) -> None:
    lock, order = tmp_path / "lock", []

    def beside() -> None:
        with host_lock(lock, shared=True):
            order.append("beside")

    waiting = threading.Thread(target=beside)
    with host_lock(lock):
        waiting.start()
        waiting.join(0.2)
        order.append("alone")
    waiting.join(10)
    assert order == ["alone", "beside"]


def test_who_waits_for_the_host_prepares_meanwhile(tmp_path: Path) -> None:
    lock, order = tmp_path / "lock", []

    def waits() -> None:
        with host_lock(lock, meanwhile=lambda: order.append("prepares")):
            order.append("measures")

    waiting = threading.Thread(target=waits)
    with host_lock(lock, meanwhile=lambda: order.append("nobody was there")):
        waiting.start()
        while not order:
            time.sleep(0.01)
        order.append("other launch ends")
    waiting.join(10)
    assert order == ["prepares", "other launch ends", "measures"]


def test_a_load_begins_only_when_nobody_prepares() -> None:
    """Imports take a core for seconds: beside a load they would be measured with it."""
    order = []

    def measures() -> None:
        with undisturbed():
            order.append("load")

    measuring = threading.Thread(target=measures)
    with preparing():
        measuring.start()
        measuring.join(0.2)
        order.append("imported")
    measuring.join(10)
    assert order == ["imported", "load"]


def test_nothing_is_prepared_beside_a_load() -> None:
    """Of another study, say, that came while the load ran. Neighbours side by side measure together all the same."""
    with undisturbed(), undisturbed(), pytest.raises(LockError, match="a load is measured on this host"), preparing():
        pass
    with preparing():
        pass
