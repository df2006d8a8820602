"""Recommended clocks held and undone, on fake GPUs only."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.nvml import NO_PERMISSION, NOT_SUPPORTED, FakeNvml
from fakes.sweeps import sweep

from llmdvfs.__main__ import main
from llmdvfs.answers.answer import answers
from llmdvfs.answers.recommend import recommend
from llmdvfs.commands import clocks
from llmdvfs.commands.clocks import hold, one_of, restore, status_lines, until_interrupted
from llmdvfs.errors import ClockControlError, ConfigError, GpusNotRestored
from llmdvfs.host.lock import LOCK_FOLDER_VARIABLE
from llmdvfs.records.answers import RecommendedClocks
from llmdvfs.records.point import GpuSetting, OperatingPoint
from llmdvfs.telemetry.change_log import ChangeLog
from llmdvfs.telemetry.clocks import HeldPoint, locked_clocks
from llmdvfs.telemetry.held_record import lock_path, record_path, write_held
from llmdvfs.telemetry.nvml import NvmlGpu, num_gpus


@pytest.fixture
def gpus(make_real_time_gpus: Callable[[int], FakeNvml], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    fake = make_real_time_gpus(1)
    fake.set_property(0, "settling_s", 0.0)
    fake.set_sensor(0, "sm_clock", period_s=0.001, window_s=0)
    time.sleep(0.01)
    monkeypatch.setenv(LOCK_FOLDER_VARIABLE, str(tmp_path))
    assert num_gpus() == 1  # opens the driver
    return fake


@pytest.fixture
def recommended() -> RecommendedClocks:
    """1200 MHz is the fastest within 5 % of the lowest energy."""
    cells = sweep({1005: 0.9, 1200: 0.8, None: 1.0}, {1005: 0.015, 1200: 0.013, None: 0.010})
    return recommend(answers(cells), cells)


def core_clock_mhz() -> float:
    time.sleep(0.01)
    return NvmlGpu(0).sm_clock_mhz()


def test_a_recommendation_is_held_while_waiting_and_undone_after(
    gpus: FakeNvml, recommended: RecommendedClocks
) -> None:
    before, seen = core_clock_mhz(), []
    hold(one_of(recommended, None, None), lambda _: seen.append(core_clock_mhz()))
    assert seen == [1200]
    assert core_clock_mhz() == before


def test_ctrl_c_undoes_it(gpus: FakeNvml, recommended: RecommendedClocks) -> None:
    def interrupted(_: HeldPoint) -> None:
        raise KeyboardInterrupt

    before = core_clock_mhz()
    with pytest.raises(KeyboardInterrupt):
        hold(one_of(recommended, None, None), interrupted)
    assert core_clock_mhz() == before


def test_without_permission_nothing_is_held_and_the_reason_is_said(
    gpus: FakeNvml, recommended: RecommendedClocks
) -> None:
    gpus.deny(0, ["set_clocks"], NO_PERMISSION)
    with pytest.raises(ClockControlError, match="not_permitted"):
        hold(one_of(recommended, None, None), lambda _: pytest.fail("nothing to wait for"))


def test_an_unclear_choice_names_what_the_file_has(recommended: RecommendedClocks) -> None:
    with pytest.raises(ConfigError, match="single_tiny/decode"):
        one_of(recommended, "another", None)


def test_status_tells_clocks_and_limits(gpus: FakeNvml) -> None:
    (line,) = status_lines()
    assert line.startswith("GPU 0 ")
    assert "MHz" in line
    assert "default" in line


AS_FOUND = (0, 3201, 700)
NO_PROCESS = 2**22 + 1  # above the largest number that Linux gives
POINT = OperatingPoint("low", {"single": 1005}, {}, {"single": 300.0})


def left_behind(folder: Path) -> None:
    """Leave what a run leaves that was killed with its watchdog: the lock, the limit and their record."""
    uuid = NvmlGpu(0).uuid()
    lock_path(uuid, folder).write_text(str(NO_PROCESS))
    write_held(record_path(uuid, folder), GpuSetting(0, 1005, None, 300.0), 700.0, "nvml")
    NvmlGpu(0).lock_sm_clock(1005, 1005)
    NvmlGpu(0).set_power_limit(300)


def test_restore_takes_back_what_a_killed_run_left_and_nothing_of_others(gpus: FakeNvml, tmp_path: Path) -> None:
    left_behind(tmp_path)
    assert "left so by a run that is gone" in status_lines()[0]
    assert list(restore(None, everything=False, confirmed=False)) == ["GPU 0: taken back"]
    assert gpus.setting(0) == AS_FOUND
    NvmlGpu(0).set_power_limit(500)
    assert list(restore([0], everything=False, confirmed=False)) == ["GPU 0: nothing was left"]
    assert gpus.setting(0)[2] == 500


def test_restore_all_asks_first_and_then_resets_what_anybody_has_set(gpus: FakeNvml) -> None:
    NvmlGpu(0).lock_sm_clock(1200, 1200)
    NvmlGpu(0).lock_memory_clock(2201)
    NvmlGpu(0).set_power_limit(500)
    with pytest.raises(ConfigError, match="expected --yes"):
        list(restore(None, everything=True, confirmed=False))
    assert gpus.setting(0) == (1200, 2201, 500)
    assert list(restore(None, everything=True, confirmed=True)) == [
        "GPU 0: reset: core clock, memory clock, power limit"
    ]
    assert gpus.setting(0) == AS_FOUND


def test_restore_all_leaves_a_gpu_alone_that_a_run_holds(gpus: FakeNvml, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmdvfs.telemetry.leftover.ENDING_LIMIT_S", 0.1)
    with locked_clocks(POINT, {"single": [0]}):
        assert f"held by process {os.getpid()}" in status_lines()[0]
        with pytest.raises(GpusNotRestored, match=f"GPU 0: another run .process {os.getpid()}. holds the clocks"):
            list(restore(None, everything=True, confirmed=True))
        assert gpus.setting(0) == (1005, 3201, 300)


def test_a_gpu_that_has_no_lock_of_the_memory_clock_is_reset_all_the_same(gpus: FakeNvml) -> None:
    gpus.deny(0, ["reset_memory"], NOT_SUPPORTED)
    NvmlGpu(0).set_power_limit(500)
    list(restore(None, everything=True, confirmed=True))
    assert gpus.setting(0) == AS_FOUND


def test_an_unknown_gpu_is_refused(gpus: FakeNvml) -> None:
    with pytest.raises(ConfigError, match="--gpu 7: expected one of 0"):
        list(restore([7], everything=False, confirmed=False))


def test_every_change_is_logged(gpus: FakeNvml, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two set, two taken back; what is only rehearsed changes nothing and is not in it."""
    assert main(["clocks", "log"]) == 0
    assert "nothing was changed" in capsys.readouterr().out
    with locked_clocks(POINT, {"single": [0]}):
        pass
    seen = [(change.what, change.before, change.after, change.result) for change in ChangeLog(tmp_path).changes()]
    assert seen == [
        ("core clock", "not locked", "1005 MHz", "ok"),
        ("power limit", "700 W", "300 W", "ok"),
        ("core clock", "1005 MHz", "not locked", "ok"),
        ("power limit", "300 W", "700 W", "ok"),
    ]
    assert main(["clocks", "log", "--last", "1"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(f"(process {os.getpid()}) GPU 0 power limit: 300 W -> 700 W, nvml: ok")


def test_a_refused_change_is_logged_with_the_drivers_words(
    gpus: FakeNvml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmdvfs.telemetry.restore.BETWEEN_TRIES_S", 0.0)
    with locked_clocks(POINT, {"single": [0]}):
        gpus.deny(0, ["reset_sm"], 999, times=1)
    refused = [change for change in ChangeLog(tmp_path).changes() if change.result != "ok"]
    assert [(change.what, change.after) for change in refused] == [("core clock", "not locked")]
    assert "NVML error 999" in refused[0].result


def test_a_log_of_somebody_elses_making_is_neither_believed_nor_written_to(gpus: FakeNvml, tmp_path: Path) -> None:
    """/tmp is everybody's: a link where the log goes would have this user write into a file of its own elsewhere."""
    target = tmp_path / "precious"
    target.write_text("mine")
    (tmp_path / f"llmdvfs-clock-changes-{os.geteuid()}.jsonl").symlink_to(target)
    (tmp_path / f"llmdvfs-clock-changes-{os.geteuid() + 1}.jsonl").write_text('{"unix_s": 1}\n')
    with locked_clocks(POINT, {"single": [0]}) as held:
        assert held.applied.state == "applied"
    assert target.read_text() == "mine"
    assert ChangeLog(tmp_path).changes() == []


def test_a_recommendation_stays_watched_over_while_it_is_held(gpus: FakeNvml, monkeypatch: pytest.MonkeyPatch) -> None:
    """It slept until Ctrl-C and asked nobody: with the watchdog dead, a kill would have left the GPU slow for ever."""
    monkeypatch.setattr(clocks, "CHECK_INTERVAL_S", 0.02)
    monkeypatch.setattr("llmdvfs.telemetry.watchdog.MAX_RESTARTS", 0)
    with locked_clocks(POINT, {"single": [0]}) as held:
        assert held.watchdog is not None
        os.kill(held.watchdog.pid, signal.SIGKILL)
        with pytest.raises(ClockControlError, match="the point ends here"):
            until_interrupted(held)
    assert gpus.setting(0) == AS_FOUND
