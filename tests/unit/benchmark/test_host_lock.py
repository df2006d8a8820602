"""Who measures alone keeps everybody out; who measures side by side keeps out only those who measure alone."""

import threading
from pathlib import Path

from llmdvfs.benchmark.host_lock import host_lock
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
