"""Operating points, on fake GPUs only."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.nvml import NO_PERMISSION, FakeNvml

from llmdvfs.errors import GpusNotRestored
from llmdvfs.host.capabilities import OBSERVE_VARIABLE, may_set_clocks
from llmdvfs.records.point import GpuSetting, OperatingPoint
from llmdvfs.telemetry.clocks import locked_clocks
from llmdvfs.telemetry.factory import restore_factory
from llmdvfs.telemetry.nvml import NvmlGpu

POINT = OperatingPoint("low", sm_clock_mhz={"decode": 1003}, power_limit_w={"prefill": 400.0})
ROLES = {"prefill": [0], "decode": [1]}

HOLD = """
import sys, time
from pathlib import Path
from llmdvfs.records.point import OperatingPoint
from llmdvfs.telemetry.clocks import locked_clocks
from llmdvfs.telemetry.factory import restore_factory
point = OperatingPoint("p", {"single": 1005}, {}, {"single": 300.0})
with locked_clocks(point, {"single": [0]}, lock_folder=Path(sys.argv[1])) as held:
    print(held.applied.state, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def gpus(make_real_time_gpus: Callable[[int], FakeNvml]) -> FakeNvml:
    fake = make_real_time_gpus(2)
    for gpu in range(2):
        fake.set_property(gpu, "settling_s", 0.0)
        fake.set_sensor(gpu, "sm_clock", period_s=0.001, window_s=0)
        fake.set_power(gpu, 500.0)
    time.sleep(0.01)
    return fake


def seen(index: int) -> tuple[float, float]:
    """Core clock and power limit, as the driver tells them."""
    time.sleep(0.01)
    gpu = NvmlGpu(index)
    return gpu.sm_clock_mhz(), gpu.power_limit_w()


def test_a_point_asks_each_gpu_for_what_its_role_gets() -> None:
    point = OperatingPoint("p", {"prefill": 1980, "decode": 1005}, {"decode": 2201}, {})
    assert point.of_gpus({"prefill": [0, 2], "decode": [1], "single": [3]}) == (
        GpuSetting(0, 1980, role="prefill"),
        GpuSetting(2, 1980, role="prefill"),
        GpuSetting(1, 1005, 2201, role="decode"),
    )


def test_the_point_holds_inside_the_block_and_is_undone_at_its_end(gpus: FakeNvml, tmp_path: Path) -> None:
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert (held.applied.state, held.applied.reason) == ("applied", None)
        assert held.applied.settings == (
            GpuSetting(0, power_limit_w=400.0, role="prefill"),
            GpuSetting(1, sm_clock_mhz=1005, role="decode"),  # on the grid
        )
        clock_mhz, limit_w = seen(0)
        assert limit_w == 400
        assert clock_mhz < 1980  # 500 W do not fit under the limit
        assert seen(1) == (1005, 700)
    assert seen(0) == seen(1) == (1980, 700)


def test_a_failure_inside_the_block_undoes_it_too(gpus: FakeNvml, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locked_clocks(POINT, ROLES, lock_folder=tmp_path):
        raise RuntimeError
    assert seen(0) == seen(1) == (1980, 700)


def test_stock_touches_nothing(gpus: FakeNvml, tmp_path: Path) -> None:
    for gpu in range(2):
        gpus.deny(gpu, ["set_clocks", "set_power_limit", "mig"])
    with locked_clocks(OperatingPoint("stock"), ROLES, lock_folder=tmp_path) as held:
        assert held.applied.state == "stock"
    assert list(tmp_path.glob("*.lock")) == []


def test_without_permission_the_run_goes_on_at_stock_clocks(gpus: FakeNvml, tmp_path: Path) -> None:
    for gpu in range(2):
        gpus.deny(gpu, ["set_clocks", "set_power_limit"], NO_PERMISSION)
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert held.applied.state == "not_permitted"
        assert "CAP_SYS_ADMIN" in (held.applied.reason or "")
        assert seen(0) == seen(1) == (1980, 700)


def test_an_observer_changes_nothing_whatever_it_may(
    gpus: FakeNvml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A borrowed machine whose root has every right: no call that sets or resets anything reaches the driver.

    One that did would fail with an error of its own here.
    """
    monkeypatch.setenv(OBSERVE_VARIABLE, "1")
    for gpu in range(2):
        gpus.deny(gpu, ["set_clocks", "set_power_limit"], 999)
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert held.applied.state == "not_permitted"
        assert OBSERVE_VARIABLE in (held.applied.reason or "")
    with pytest.raises(GpusNotRestored, match=OBSERVE_VARIABLE):
        restore_factory(NvmlGpu(0), tmp_path)
    assert may_set_clocks() is False


def test_half_a_point_does_not_stay(gpus: FakeNvml, tmp_path: Path) -> None:
    """GPU 0 allows it and GPU 1 does not: that is not a plain lack of permission, something had been set."""
    gpus.deny(1, ["lock_sm"], NO_PERMISSION)
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert held.applied.state == "failed"
        assert "GPU 1, core clock" in (held.applied.reason or "")
        assert seen(0) == seen(1) == (1980, 700)


def test_what_could_not_be_taken_back_is_not_set(gpus: FakeNvml, tmp_path: Path) -> None:
    """A lock was set and then could not be lifted: the driver allows the one and denies the other."""
    gpus.deny(1, ["reset_sm"], NO_PERMISSION)
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert held.applied.state == "not_permitted"
        assert "nvml: GPU 1, core clock" in (held.applied.reason or "")
        assert seen(0) == seen(1) == (1980, 700)


def test_a_ceiling_is_a_range_down_to_the_lowest_clock(gpus: FakeNvml, tmp_path: Path) -> None:
    """`..1410`: 0 is no clock of a GPU, and 345 MHz is the lowest of this one."""
    ceiling = OperatingPoint("max", sm_clock_mhz={"decode": 1410}, sm_clock_min_mhz={"decode": 0})
    with locked_clocks(ceiling, ROLES, lock_folder=tmp_path) as held:
        (setting,) = held.applied.settings
        assert setting == GpuSetting(1, sm_clock_mhz=1410, role="decode", sm_clock_min_mhz=345)
        assert setting.sm_clock_range_mhz == (345, 1410)
        assert seen(1)[0] == 1410  # under load
    assert seen(1) == (1980, 700)


def test_gpus_that_are_not_ours_to_set_are_refused(gpus: FakeNvml, tmp_path: Path) -> None:
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path):
        with locked_clocks(OperatingPoint("other", {"single": 600}), {"single": [1]}, lock_folder=tmp_path) as held:
            assert held.applied.state == "refused"
        assert seen(1) == (1005, 700)
    gpus.set_property(0, "mig", 1)
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert (held.applied.state, held.applied.reason) == (
            "refused",
            "GPU 0 is divided into MIG instances, whose clocks are shared",
        )
    gpus.set_property(0, "mig", 0)
    NvmlGpu(0).set_power_limit(650)
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert "somebody has changed GPU 0: power limit 650 W (default 700 W)" in (held.applied.reason or "")
    NvmlGpu(0).set_power_limit(700)
    NvmlGpu(1).lock_sm_clock(1200, 1200)
    time.sleep(0.01)
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert "somebody has changed GPU 1: clocks locked" in (held.applied.reason or "")
    assert seen(1)[0] == 1200


def test_permission_lost_inside_the_block_is_a_failure(gpus: FakeNvml, tmp_path: Path) -> None:
    """Denied at the beginning there is nothing to undo; denied at the end the lock stays."""
    with pytest.raises(GpusNotRestored, match="could not be brought back: GPU 1: core clock"):  # noqa: SIM117
        with locked_clocks(POINT, ROLES, lock_folder=tmp_path):
            gpus.deny(1, ["set_clocks"], NO_PERMISSION)


def test_a_gpu_that_cannot_be_brought_back_ends_the_sweep(gpus: FakeNvml, tmp_path: Path) -> None:
    with pytest.raises(GpusNotRestored, match=r"GPU 1: core clock .*by hand: nvidia-smi -i 1 -rgc"):  # noqa: SIM117
        with locked_clocks(POINT, ROLES, lock_folder=tmp_path):
            gpus.deny(1, ["set_clocks"], 999)
    assert seen(0) == (1980, 700)


def test_the_watchdog_undoes_it_after_sigkill(gpus: FakeNvml, tmp_path: Path) -> None:
    """A lock outlives its process; a killed sweep would leave the GPU slow for everybody."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    owner = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, env=environment)
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"applied\n"
        assert seen(0)[1] == 300
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while seen(0) != (1980, 700):
        assert time.monotonic() < deadline
