"""A GPU as its maker delivers it, whoever has changed it; on fake GPUs only."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.nvml import FakeNvml

from llmdvfs.errors import ClockControlError, GpusNotRestored
from llmdvfs.host.lock import take_lock
from llmdvfs.telemetry.change_log import ChangeLog
from llmdvfs.telemetry.factory import restore_factory
from llmdvfs.telemetry.held_record import lock_path
from llmdvfs.telemetry.nvml import NvmlGpu, num_gpus

AS_DELIVERED = (0, 3201, 700)  # no lock of the core clock, memory clock [MHz], power limit [W]
NOT_SUPPORTED, UNKNOWN_ERROR = 3, 999


@pytest.fixture
def gpus(make_gpus: Callable[..., FakeNvml], monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    """One GPU that somebody has changed in all three settings."""
    monkeypatch.setattr("llmdvfs.telemetry.restore.BETWEEN_TRIES_S", 0.0)
    monkeypatch.setattr("llmdvfs.telemetry.leftover.ENDING_LIMIT_S", 0.1)
    fake = make_gpus(1, start_ns=None)
    num_gpus()
    gpu = NvmlGpu(0)
    gpu.lock_sm_clock(1200, 1200)
    gpu.lock_memory_clock(2201)
    gpu.set_power_limit(500)
    return fake


def test_all_three_settings_are_reset_and_logged(gpus: FakeNvml, tmp_path: Path) -> None:
    told = restore_factory(NvmlGpu(0), tmp_path)
    assert told == ["core clock", "memory clock", "power limit"]
    assert gpus.setting(0) == AS_DELIVERED
    changes = ChangeLog(tmp_path).changes()
    assert [(change.what, change.before, change.result) for change in changes] == [
        ("core clock", "as found", "ok"),
        ("memory clock", "as found", "ok"),
        ("power limit", "as found", "ok"),
    ]


def test_what_the_gpu_does_not_have_needs_no_reset(gpus: FakeNvml, tmp_path: Path) -> None:
    gpus.deny(0, ["reset_memory"], NOT_SUPPORTED)
    restore_factory(NvmlGpu(0), tmp_path)
    assert gpus.setting(0) == (0, 2201, 700)


def test_a_driver_that_refuses_is_told_with_the_rest_done(gpus: FakeNvml, tmp_path: Path) -> None:
    gpus.deny(0, ["reset_sm"], UNKNOWN_ERROR)
    with pytest.raises(GpusNotRestored, match="GPU 0: core clock"):
        restore_factory(NvmlGpu(0), tmp_path)
    assert gpus.setting(0) == (1200, 3201, 700)


def test_settings_of_a_run_are_left_alone_and_free_afterwards(gpus: FakeNvml, tmp_path: Path) -> None:
    gpu = NvmlGpu(0)
    held = take_lock(lock_path(gpu.uuid(), tmp_path))
    assert held is not None
    with pytest.raises(ClockControlError, match=r"another run .* holds the clocks of GPU 0"):
        restore_factory(gpu, tmp_path)
    assert gpus.setting(0) == (1200, 2201, 500)
    os.close(held)
    restore_factory(gpu, tmp_path)
    again = take_lock(lock_path(gpu.uuid(), tmp_path))
    assert again is not None  # it was let go
    os.close(again)
