"""Clocks set by others than this process: a daemon, and NVIDIA's tool run by sudo. On fake GPUs only."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fakes.nvml import NO_PERMISSION, FakeNvml
from fakes.sudo_smi import FakeSudoSmi
from fakes.zeusd import FakeZeusd

from llmdvfs.errors import ClockControlError, GpusNotRestored
from llmdvfs.host.capabilities import ZEUSD_VARIABLE, may_set_clocks
from llmdvfs.records.point import OperatingPoint
from llmdvfs.telemetry.clocks import locked_clocks
from llmdvfs.telemetry.nvml import NvmlGpu
from llmdvfs.telemetry.setters.setter import ClocksDenied
from llmdvfs.telemetry.setters.sudo_smi import SudoSmiGpu
from llmdvfs.telemetry.setters.zeusd import ZeusdGpu

POINT = OperatingPoint("low", {"single": 1005}, {"single": 2201}, {"single": 300.0}, {"single": 510})
ROLES = {"single": [1]}
HELD, AS_FOUND = (1005, 2201, 300), (0, 3201, 700)

OWNER = """
import sys, time
from pathlib import Path
from llmdvfs.records.point import OperatingPoint
from llmdvfs.telemetry.clocks import locked_clocks
point = OperatingPoint("low", {"single": 1005}, {"single": 2201}, {"single": 300.0}, {"single": 510})
with locked_clocks(point, {"single": [1]}, lock_folder=Path(sys.argv[1])):
    time.sleep(600)
"""


@pytest.fixture
def gpus(make_real_time_gpus: Callable[[int], FakeNvml]) -> FakeNvml:
    """Two GPUs that this process may not set."""
    fake = make_real_time_gpus(2)
    for gpu in range(2):
        fake.deny(gpu, ["set_clocks", "set_power_limit"], NO_PERMISSION)
    return fake


@pytest.fixture
def sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSudoSmi:
    made = FakeSudoSmi(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    return made


@pytest.fixture
def zeusd(gpus: FakeNvml) -> FakeZeusd:
    """A daemon of root, beside these GPUs."""

    def set_(call: str, index: int, values: dict[str, int]) -> None:
        gpu = NvmlGpu(index)
        with gpus.as_root():
            {
                "set_gpu_locked_clocks": lambda: gpu.lock_sm_clock(values["min_clock_mhz"], values["max_clock_mhz"]),
                "set_mem_locked_clocks": lambda: gpu.lock_memory_clock(values["max_clock_mhz"]),
                "set_power_limit": lambda: gpu.set_power_limit(values["power_limit_mw"] / 1000),
                "reset_gpu_locked_clocks": gpu.reset_sm_clock,
                "reset_mem_locked_clocks": gpu.reset_memory_clock,
            }[call]()

    return FakeZeusd(["Fake H200", "Fake H200"], set_)


@contextmanager
def daemon(zeusd: FakeZeusd, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    path = folder / "z"
    monkeypatch.setenv(ZEUSD_VARIABLE, str(path))
    with zeusd.listening(path):
        yield


def test_a_daemon_sets_what_this_process_may_not(
    gpus: FakeNvml, zeusd: FakeZeusd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters as zeus 0.16 sends them. Milliwatts; the lock of the core clock is a range."""
    with daemon(zeusd, tmp_path, monkeypatch):
        with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
            assert (held.applied.state, held.applied.how) == ("applied", "zeusd")
            assert gpus.setting(1) == HELD
            assert gpus.setting(0) == AS_FOUND
        assert gpus.setting(1) == AS_FOUND
    assert (
        "/gpu/set_gpu_locked_clocks",
        {"gpu_ids": "1", "min_clock_mhz": "510", "max_clock_mhz": "1005", "block": "true"},
    ) in zeusd.asked
    assert ("/gpu/set_power_limit", {"gpu_ids": "1", "power_limit_mw": "300000", "block": "true"}) in zeusd.asked


def test_sudo_sets_what_neither_this_process_nor_a_daemon_may(
    gpus: FakeNvml, sudo: FakeSudoSmi, tmp_path: Path
) -> None:
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert (held.applied.state, held.applied.how) == ("applied", "sudo_nvidia_smi")
        assert gpus.setting(1) == HELD
    assert gpus.setting(1) == AS_FOUND
    uuid = NvmlGpu(1).uuid()
    assert f"-i {uuid} --lock-gpu-clocks=510,1005" in sudo.asked
    assert f"-i {uuid} --power-limit=300" in sudo.asked


def test_the_nearest_way_is_taken_and_the_others_are_not_asked(
    gpus: FakeNvml, sudo: FakeSudoSmi, tmp_path: Path
) -> None:
    gpus.deny(1, ["set_clocks", "set_power_limit"], 0)
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert held.applied.how == "nvml"
    assert sudo.asked == []


def test_where_no_way_is_open_the_point_is_observed_and_each_way_says_why(
    gpus: FakeNvml, sudo: FakeSudoSmi, tmp_path: Path
) -> None:
    sudo.allow(False)
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert (held.applied.state, held.applied.how) == ("not_permitted", None)
    reason = held.applied.reason or ""
    assert "nvml: GPU 1, core clock: " in reason
    assert "zeusd: no daemon at " in reason
    assert "sudo_nvidia_smi: sudo does not let this user run nvidia-smi without a password" in reason
    assert sudo.asked == []


def test_the_watchdog_brings_back_in_the_same_way(gpus: FakeNvml, sudo: FakeSudoSmi, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], env=environment)
    deadline = time.monotonic() + 30
    while gpus.setting(1) != HELD:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    owner.kill()
    owner.wait()
    while gpus.setting(1) != AS_FOUND:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_is_left_comes_back_in_another_way_where_the_first_is_gone(
    gpus: FakeNvml, sudo: FakeSudoSmi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set through the driver; the right is lost while it is held; sudo was never asked, and now helps out."""
    monkeypatch.setattr("llmdvfs.telemetry.restore.BETWEEN_TRIES_S", 0.0)
    gpus.deny(1, ["set_clocks", "set_power_limit"], 0)
    with pytest.raises(GpusNotRestored), locked_clocks(POINT, ROLES, lock_folder=tmp_path):
        gpus.deny(1, ["set_clocks", "set_power_limit"], NO_PERMISSION)
    assert gpus.setting(1) == HELD
    with locked_clocks(OperatingPoint("stock"), ROLES, lock_folder=tmp_path):
        assert gpus.setting(1) == AS_FOUND


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"api_groups": ("gpu-read",)}, "was started without gpu-control"),
        ({"gpus": ["Fake H200"]}, "not the same machine"),
        ({"gpus": ["Fake H200", "Fake A40"]}, "not the same machine"),
        ({"token": "secret"}, "zeusd says 401"),
    ],
)
def test_a_daemon_that_will_not_or_may_not_is_passed_over(
    gpus: FakeNvml,
    zeusd: FakeZeusd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
    told: str,
) -> None:
    """A daemon outside of a container numbers GPUs otherwise: number 1 would be somebody else's."""
    for name, value in change.items():
        setattr(zeusd, name, value)
    with daemon(zeusd, tmp_path, monkeypatch), locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert held.applied.state == "not_permitted"
        assert told in (held.applied.reason or "")
    assert gpus.setting(1) == AS_FOUND


def test_a_token_is_shown_and_errors_of_the_daemon_are_told(
    gpus: FakeNvml, zeusd: FakeZeusd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeusd.token = "secret"
    monkeypatch.setenv("ZEUSD_TOKEN", "secret")
    with daemon(zeusd, tmp_path, monkeypatch):
        setter = ZeusdGpu(NvmlGpu(0))
        setter.lock_sm_clock(600, 900)
        assert gpus.setting(0)[0] == 900
        with pytest.raises(ClockControlError, match="zeusd says 500"):
            setter.set_power_limit(9000)
    with pytest.raises(ClockControlError, match="did not answer to /gpu/reset_gpu_locked_clocks"):
        setter.reset_sm_clock()


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        (
            0,
            "Setting locked GPU clocks is not supported for GPU 00. Treating as warning and moving on.",
            ClockControlError,
        ),
        (4, "The current user does not have permission to change clocks", ClocksDenied),
        (3, "Invalid combination of input arguments", ClockControlError),
    ],
)
def test_the_words_of_the_tool_count_too(
    gpus: FakeNvml, sudo: FakeSudoSmi, code: int, text: str, error: type[Exception]
) -> None:
    """It ends with 0 where a GPU does not have what was asked, and nothing was set."""
    setter = SudoSmiGpu(NvmlGpu(0))
    sudo.reply(code, text)
    with pytest.raises(error) as told:
        setter.lock_sm_clock(600, 900)
    assert type(told.value) is error
    assert text[:30] in str(told.value)


def test_without_sudo_there_is_no_such_way(gpus: FakeNvml, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClocksDenied, match="sudo is not on the PATH"):
        SudoSmiGpu(NvmlGpu(0))


def test_a_daemon_counts_as_a_right_when_a_study_is_planned(
    zeusd: FakeZeusd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell that was measured without the right is measured again once there is a daemon that has it."""
    root = tmp_path / "no-proc"
    assert may_set_clocks(root) is None
    with daemon(zeusd, tmp_path, monkeypatch):
        assert may_set_clocks(root) is True
