"""The client's process gets out of its own way during a load, and is as it was afterwards."""

import gc
import os

import pytest

from llmdvfs.load.undisturbed import undisturbed


def refuse(*arguments: object) -> None:
    raise PermissionError("not permitted")


def state() -> tuple[object, ...]:
    return gc.isenabled(), os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0), gc.get_freeze_count()


def test_everything_is_put_back() -> None:
    before = state()
    with undisturbed() as priority:
        assert not gc.isenabled()
        assert (priority == "real_time") == (os.sched_getscheduler(0) == os.SCHED_RR)
    assert state() == before


def test_without_the_right_to_anything_it_measures_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    before = state()
    with monkeypatch.context() as patch:
        patch.setattr(os, "setpriority", refuse)
        patch.setattr(os, "sched_setscheduler", refuse)
        with undisturbed() as priority:
            assert priority == "normal"
            assert not gc.isenabled()
    assert state() == before
