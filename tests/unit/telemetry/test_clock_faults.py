"""Settings of GPUs come back, whatever the driver refuses, however often, and whoever is killed; else it is said."""

import functools
import itertools
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fakes.nvml import NO_PERMISSION, FakeNvml

from llmdvfs.errors import ClockControlError, GpusNotRestored
from llmdvfs.records.point import GpuSetting, OperatingPoint
from llmdvfs.telemetry import leftover, restore, watchdog
from llmdvfs.telemetry.change_log import ChangeLog
from llmdvfs.telemetry.clocks import HeldPoint, locked_clocks
from llmdvfs.telemetry.gpu_setting import Step
from llmdvfs.telemetry.held_record import record_path, write_held
from llmdvfs.telemetry.nvml import NvmlGpu

POINT = OperatingPoint("low", {"single": 1005}, {"single": 2201}, {"single": 300.0})
STOCK_POINT = OperatingPoint("stock")
ROLES = {"single": [0]}
HELD, AS_FOUND = (1005, 2201, 300), (0, 3201, 700)
UNKNOWN_ERROR = 999
BACK = {"core clock": "reset_sm", "memory clock": "reset_memory", "power limit": "set_power_limit"}
"""What is set -> the driver's call that takes it back."""
FORWARD = ("lock_sm", "lock_memory", "set_power_limit")
FOR_EVER = 0
EVERY_ORDER = [dict(zip(BACK, times, strict=True)) for times in itertools.product((1, 2, FOR_EVER), repeat=3)]
"""How often each setting refuses to come back: which of them does first, second, last, and never, in every order."""

OWNER = """
import sys, time
from pathlib import Path
from llmdvfs.records.point import OperatingPoint
from llmdvfs.telemetry.clocks import HeldPoint, locked_clocks
point = OperatingPoint("low", {"single": 1005}, {"single": 2201}, {"single": 300.0})
with locked_clocks(point, {"single": [0]}, lock_folder=Path(sys.argv[1])) as held:
    print(held.watchdog.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def gpu(make_real_time_gpus: Callable[[int], FakeNvml]) -> FakeNvml:
    return make_real_time_gpus(1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmdvfs.telemetry.restore.BETWEEN_TRIES_S", 0.01)


def start_owner(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a process that holds the point; return it and its watchdog's process id."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline())


def kill(owner: subprocess.Popen[str]) -> None:
    owner.kill()
    owner.wait()
    assert owner.stdout is not None
    owner.stdout.close()


def await_that(is_so: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_every_watchdog(held: HeldPoint) -> None:
    for _ in range(4):
        assert held.watchdog is not None
        pid = held.watchdog.pid
        os.kill(pid, signal.SIGKILL)
        await_that(lambda: has_ended(pid))  # noqa: B023 (called at once)
        held.check()


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def the_record(folder: Path) -> Path:
    return record_path(NvmlGpu(0).uuid(), folder)


def test_all_three_are_set_and_taken_back(gpu: FakeNvml, tmp_path: Path) -> None:
    """That the memory clock comes back was not looked at: a reset that did nothing went unnoticed."""
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert held.applied.state == "applied"
        assert gpu.setting(0) == HELD
        assert the_record(tmp_path).exists()
    assert gpu.setting(0) == AS_FOUND
    assert not the_record(tmp_path).exists()


@pytest.mark.parametrize("times_of", EVERY_ORDER, ids=lambda times_of: "-".join(map(str, times_of.values())))
def test_what_comes_back_does_whatever_fails_before_and_after_it(
    gpu: FakeNvml, tmp_path: Path, quick: None, times_of: dict[str, int]
) -> None:
    """The first failure left all that followed: a core clock that would not come back kept the limit, too."""
    left = [name for name, times in times_of.items() if times == FOR_EVER]
    with ExitStack() as stack:
        told = stack.enter_context(pytest.raises(GpusNotRestored)) if left else None
        with locked_clocks(POINT, ROLES, lock_folder=tmp_path):
            for name, times in times_of.items():
                gpu.deny(0, [BACK[name]], UNKNOWN_ERROR, times=times)
    for name, held, found, seen in zip(BACK, HELD, AS_FOUND, gpu.setting(0), strict=True):
        assert seen == (held if name in left else found)
        assert told is None or (f"GPU 0: {name}" in str(told.value)) == (name in left)
    assert the_record(tmp_path).exists() == bool(left)
    if left:  # nothing more is measured on it: neither stock nor another point
        with pytest.raises(GpusNotRestored):
            locked_clocks(STOCK_POINT, ROLES, lock_folder=tmp_path).__enter__()


@pytest.mark.parametrize("order", list(itertools.permutations(BACK)), ids="-".join)
def test_every_order_of_settings_and_every_number_of_refusals(
    order: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps that refuse 0 to 3 times, and for ever: exactly those that refuse three times and more are left."""
    monkeypatch.setattr("llmdvfs.telemetry.restore.BETWEEN_TRIES_S", 0.0)
    for refusals in itertools.product((0, 1, 2, 3, math.inf), repeat=3):
        remaining = dict(zip(order, refusals, strict=True))

        def take_back(name: str, remaining: dict[str, float] = remaining) -> None:
            if remaining[name] > 0:
                remaining[name] -= 1
                raise ClockControlError(f"{name} refuses")

        steps = [Step(0, name, lambda: None, functools.partial(take_back, name), "") for name in order]
        expected = {place: f"{name} refuses" for place, name in enumerate(order) if refusals[place] >= 3}
        assert restore.take_back(steps, ChangeLog(tmp_path)) == expected


def test_a_watchdog_that_succeeds_is_believed(gpu: FakeNvml, tmp_path: Path, quick: None) -> None:
    """Three tries of the job fail, the fourth is the watchdog's."""
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path):
        gpu.deny(0, ["reset_memory"], UNKNOWN_ERROR, times=3)
    assert gpu.setting(0) == AS_FOUND
    assert not the_record(tmp_path).exists()


@pytest.mark.parametrize("times_of", EVERY_ORDER, ids=lambda times_of: "-".join(map(str, times_of.values())))
def test_the_watchdog_tries_as_hard(gpu: FakeNvml, tmp_path: Path, times_of: dict[str, int]) -> None:
    owner, pid = start_owner(tmp_path)
    assert gpu.setting(0) == HELD
    for name, times in times_of.items():
        gpu.deny(0, [BACK[name]], UNKNOWN_ERROR, times=times)
    kill(owner)
    await_that(lambda: has_ended(pid))
    left = [name for name, times in times_of.items() if times == FOR_EVER]
    for name, held, found, seen in zip(BACK, HELD, AS_FOUND, gpu.setting(0), strict=True):
        assert seen == (held if name in left else found)
    assert the_record(tmp_path).exists() == bool(left)


@pytest.mark.parametrize("refused", FORWARD)
@pytest.mark.parametrize("error", [NO_PERMISSION, UNKNOWN_ERROR])
def test_a_point_that_is_taken_in_part_is_taken_back(
    gpu: FakeNvml, tmp_path: Path, quick: None, refused: str, error: int
) -> None:
    # a limit is set once before, in the rehearsal, to what it is
    gpu.deny(0, [refused], error, times=1, after=int(refused == "set_power_limit"))  # type: ignore[list-item]
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        plain = refused == "lock_sm" and error == NO_PERMISSION
        assert held.applied.state == ("not_permitted" if plain else "failed")
        assert held.applied.settings == ()
        assert held.watchdog is None
        assert gpu.setting(0) == AS_FOUND
        assert not the_record(tmp_path).exists()


def test_a_denial_after_something_was_set_must_be_undone(gpu: FakeNvml, tmp_path: Path, quick: None) -> None:
    """The core clock is locked, the memory clock denied, and the core clock does not come back: not "not permitted"."""
    gpu.deny(0, ["lock_memory"], NO_PERMISSION)
    gpu.deny(0, ["reset_sm"], NO_PERMISSION, after=1)
    with pytest.raises(GpusNotRestored, match="core clock"):
        locked_clocks(POINT, ROLES, lock_folder=tmp_path).__enter__()


def test_a_job_without_rights_leaves_no_record_wherever_it_is_killed(
    gpu: FakeNvml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wrote down what it would set and was killed before the driver's first denial: whoever came next could not take
    back what had never been set, and refused to measure for ever. Now it asks before it writes.
    """
    gpu.deny(0, ["set_clocks", "set_power_limit"], NO_PERMISSION)
    monkeypatch.setattr("llmdvfs.telemetry.clocks.write_held", lambda *_: pytest.fail("it may not set anything"))
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert held.applied.state == "not_permitted"


def test_a_record_of_another_user_is_not_believed(
    gpu: FakeNvml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may write to /tmp: a file there would have this user change somebody else's GPU."""
    write_held(the_record(tmp_path), GpuSetting(0, 1005), 700.0, "nvml")
    if os.geteuid() == 0:
        os.chown(the_record(tmp_path), 4242, 4242)
    else:
        monkeypatch.setattr("llmdvfs.telemetry.held_record.os.geteuid", lambda: 4242)
    gpu.deny(0, ["reset_sm"], UNKNOWN_ERROR)  # would be told if it were called
    with pytest.raises(ClockControlError, match=r"it belongs to user \d+.*remove the file"):
        locked_clocks(STOCK_POINT, ROLES, lock_folder=tmp_path).__enter__()


@pytest.mark.parametrize("next_point", [STOCK_POINT, POINT], ids=["stock", "low"])
def test_the_next_run_takes_back_what_a_killed_job_and_watchdog_left(
    gpu: FakeNvml, tmp_path: Path, next_point: OperatingPoint
) -> None:
    """An out-of-memory killer takes both. `stock` was measured at 1005 MHz after that."""
    owner, pid = start_owner(tmp_path)
    os.kill(pid, signal.SIGSTOP)  # so that it does nothing between the two kills
    kill(owner)
    os.kill(pid, signal.SIGKILL)
    await_that(lambda: has_ended(pid))
    assert gpu.setting(0) == HELD
    with locked_clocks(next_point, ROLES, lock_folder=tmp_path) as held:
        assert held.applied.state == ("stock" if next_point is STOCK_POINT else "applied")
        assert gpu.setting(0) == (AS_FOUND if next_point is STOCK_POINT else HELD)
        assert held.applied.before[0].departs_from_stock is None
    assert gpu.setting(0) == AS_FOUND
    assert not the_record(tmp_path).exists()


def test_what_cannot_be_taken_back_by_the_next_run_ends_it(gpu: FakeNvml, tmp_path: Path, quick: None) -> None:
    with pytest.raises(GpusNotRestored), locked_clocks(POINT, ROLES, lock_folder=tmp_path):
        gpu.deny(0, ["reset_sm"], UNKNOWN_ERROR)
    with pytest.raises(GpusNotRestored, match=r"core clock .*nvidia-smi -i 0 -rgc.*then remove .*\.json"):
        locked_clocks(STOCK_POINT, ROLES, lock_folder=tmp_path).__enter__()
    gpu.deny(0, ["reset_sm"], 0)
    with locked_clocks(STOCK_POINT, ROLES, lock_folder=tmp_path):
        assert gpu.setting(0) == AS_FOUND


def test_a_record_from_before_a_start_of_the_machine_touches_nothing(
    gpu: FakeNvml, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(GpusNotRestored), locked_clocks(POINT, ROLES, lock_folder=tmp_path):
        gpu.deny(0, ["reset_sm"], UNKNOWN_ERROR)
    monkeypatch.setattr(leftover, "boot_id", lambda: "another one")
    with locked_clocks(STOCK_POINT, ROLES, lock_folder=tmp_path):  # would fail if it reset the clock
        assert not the_record(tmp_path).exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"setting": {"index": 0}, "original_limit_w": null}'])
def test_a_damaged_record_is_refused_with_words(gpu: FakeNvml, tmp_path: Path, damage: str) -> None:
    with locked_clocks(STOCK_POINT, ROLES, lock_folder=tmp_path):
        the_record(tmp_path).write_text(damage)
    with pytest.raises(ClockControlError, match=r"it is damaged.*remove the file"):
        locked_clocks(STOCK_POINT, ROLES, lock_folder=tmp_path).__enter__()


def test_a_record_behind_a_link_is_not_believed(gpu: FakeNvml, tmp_path: Path) -> None:
    with locked_clocks(STOCK_POINT, ROLES, lock_folder=tmp_path):
        the_record(tmp_path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ClockControlError, match="cannot be read"):
        locked_clocks(STOCK_POINT, ROLES, lock_folder=tmp_path).__enter__()


def test_a_stock_cell_does_not_run_on_a_gpu_that_another_run_holds(
    gpu: FakeNvml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftover, "ENDING_LIMIT_S", 0.1)
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path):
        with pytest.raises(ClockControlError, match=f"another run .process {os.getpid()}. holds the clocks of GPU 0"):
            locked_clocks(STOCK_POINT, ROLES, lock_folder=tmp_path).__enter__()
        assert gpu.setting(0) == HELD


def test_a_watchdog_that_died_is_replaced(gpu: FakeNvml, tmp_path: Path) -> None:
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert held.watchdog is not None
        first = held.watchdog.pid
        os.kill(first, signal.SIGKILL)
        await_that(lambda: has_ended(first))
        held.check()
        assert held.watchdog.pid != first
        assert gpu.setting(0) == HELD
    assert gpu.setting(0) == AS_FOUND


@pytest.mark.parametrize("num_killed", [1, 4])
def test_a_watchdog_that_is_killed_before_it_is_ready_is_replaced_three_times(
    gpu: FakeNvml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_killed: int
) -> None:
    """One such kill ended a whole launch; nothing is set by then, so another watchdog costs nothing."""
    start, started = subprocess.Popen, []

    def start_and_kill(*arguments: Any, **options: Any) -> "subprocess.Popen[bytes]":
        process = start(*arguments, **options)
        started.append(process.pid)
        if len(started) <= num_killed:
            process.kill()
        return process

    monkeypatch.setattr(watchdog.subprocess, "Popen", start_and_kill)
    with ExitStack() as held:
        if num_killed > watchdog.MAX_RESTARTS:
            with pytest.raises(ClockControlError, match="signal 9 before it was ready, for the 4th time"):
                held.enter_context(locked_clocks(POINT, ROLES, lock_folder=tmp_path))
        else:
            held.enter_context(locked_clocks(POINT, ROLES, lock_folder=tmp_path))
            assert gpu.setting(0) == HELD
    assert len(started) == min(num_killed, watchdog.MAX_RESTARTS) + 1
    assert gpu.setting(0) == AS_FOUND


def test_a_watchdog_is_asked_after_each_interval_and_not_before(
    gpu: FakeNvml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mutant that asked at another time lived: one that answered once may hang later, and a job must notice."""
    say, asked = watchdog.Watchdog._say, []

    def note(self: watchdog.Watchdog, word: str) -> None:
        asked.append(word)
        say(self, word)

    monkeypatch.setattr(watchdog.Watchdog, "_say", note)
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        monkeypatch.setattr(watchdog, "ASK_INTERVAL_S", 3600.0)
        held.check()
        assert asked == []
        monkeypatch.setattr(watchdog, "ASK_INTERVAL_S", 0.01)

        def is_asked_again() -> bool:
            held.check()
            return len(asked) >= 3

        await_that(is_asked_again)
        assert set(asked) == {"ping\n"}
    assert gpu.setting(0) == AS_FOUND


def test_a_watchdog_that_hangs_is_replaced(gpu: FakeNvml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "ASK_INTERVAL_S", 0.05)
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert held.watchdog is not None
        first = held.watchdog.pid
        for _ in range(20):  # a healthy one answers, and stays
            held.check()
            time.sleep(0.02)
        assert held.watchdog.pid == first
        monkeypatch.setattr(watchdog, "ANSWER_LIMIT_S", 0.3)
        os.kill(first, signal.SIGSTOP)

        def is_replaced() -> bool:
            held.check()
            return held.watchdog is not None and held.watchdog.pid != first

        await_that(is_replaced)
        assert has_ended(first)
    assert gpu.setting(0) == AS_FOUND


def test_a_point_that_cannot_be_watched_ends(gpu: FakeNvml, tmp_path: Path) -> None:
    """Something kills every watchdog: the cell ends, and the GPU is taken back by the job itself."""
    with (
        pytest.raises(ClockControlError, match="for the 4th time; the point ends here") as told,
        locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held,
    ):
        kill_every_watchdog(held)
    assert not isinstance(told.value, GpusNotRestored)
    assert gpu.setting(0) == AS_FOUND


def test_gpus_are_told_as_they_were_found(gpu: FakeNvml, tmp_path: Path) -> None:
    with locked_clocks(STOCK_POINT, {}, gpu_indices=[0], lock_folder=tmp_path) as held:
        (found,) = held.applied.before
    assert (found.serial, found.vbios, found.persistence_mode) == ("1650000000000", "96.00.fake.00", True)
    assert (found.power_limit_w, found.default_power_limit_w) == (700, 700)
    assert (found.application_sm_clock_mhz, found.default_application_sm_clock_mhz) == (1980, 1980)
    assert found.departs_from_stock is None
    gpu.set_property(0, "application_sm_mhz", 1410)
    NvmlGpu(0).set_power_limit(500)
    with locked_clocks(STOCK_POINT, ROLES, lock_folder=tmp_path) as held:
        assert held.applied.before[0].departs_from_stock == (
            "GPU 0: power limit 500 W (default 700 W), application clock 1410 MHz (default 1980 MHz)"
        )
    with locked_clocks(POINT, ROLES, lock_folder=tmp_path) as held:
        assert held.applied.state == "refused"
