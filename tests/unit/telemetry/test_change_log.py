"""The log of changes of clocks lies where everybody may write: what is not its owner's is not believed."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from llmdvfs.errors import ClockControlError
from llmdvfs.telemetry.change_log import Change, ChangeLog
from llmdvfs.telemetry.gpu_setting import Step

STEP = Step(1, "core clock", set=lambda: None, take_back=lambda: None, by_hand="", after="1005 MHz")
OWN = f"llmdvfs-clock-changes-{os.geteuid()}.jsonl"


def change(unix_s: float) -> Change:
    return Change(unix_s, "ann", 7, 0, "power limit", "700 W", "300 W", "zeusd", "ok")


def lines(*changes: Change) -> str:
    return "".join(json.dumps(asdict(each)) + "\n" for each in changes)


def test_a_change_says_who_what_from_to_how_and_its_result(tmp_path: Path) -> None:
    log = ChangeLog(tmp_path)
    log.note(STEP, "not locked", "1005 MHz")
    log.note(STEP, "1005 MHz", "not locked", ClockControlError("the driver said no"))
    done, refused = log.changes()
    assert (done.pid, done.gpu, done.what, done.how, done.result) == (os.getpid(), 1, "core clock", "nvml", "ok")
    assert (done.before, done.after) == ("not locked", "1005 MHz")
    assert (refused.before, refused.result) == ("1005 MHz", "the driver said no")
    assert done.unix_s <= refused.unix_s


def test_changes_come_in_the_order_of_time_without_what_was_cut_short(tmp_path: Path) -> None:
    """Processes of one user write one file: the one that began first may write last, and a full disk cuts a line."""
    (tmp_path / OWN).write_text(lines(change(3.0), change(1.0), change(2.0)) + '{"unix_s": 4.0, "user"')
    assert [each.unix_s for each in ChangeLog(tmp_path).changes()] == [1.0, 2.0, 3.0]


def test_a_file_that_bears_the_number_of_somebody_else_is_not_believed(tmp_path: Path) -> None:
    for owner in (str(os.geteuid() + 1), "root", ""):
        (tmp_path / f"llmdvfs-clock-changes-{owner}.jsonl").write_text(lines(change(1.0)))
    assert ChangeLog(tmp_path).changes() == []


def test_the_own_log_is_never_written_through_a_link(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = tmp_path / "precious"
    target.write_text("mine")
    (tmp_path / OWN).symlink_to(target)
    ChangeLog(tmp_path).note(STEP, "not locked", "1005 MHz")  # the change itself goes on
    assert target.read_text() == "mine"
    assert "a change of clocks was not written down" in caplog.text


def test_other_users_may_read_the_log(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        ChangeLog(tmp_path).note(STEP, "not locked", "1005 MHz")
    finally:
        os.umask(before)
    assert (tmp_path / OWN).stat().st_mode & 0o777 == 0o644
