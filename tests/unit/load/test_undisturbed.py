"""The client's process gets out of its own way during a load, and is as it was afterwards."""

import gc
import os
import subprocess
import sys

import pytest

from llmdvfs.load.sending.undisturbed import undisturbed


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


READS_OF_10_MB = """
import resource, sys
from contextlib import nullcontext
from llmdvfs.load.sending.undisturbed import undisturbed
with undisturbed() if sys.argv[1] == "undisturbed" else nullcontext():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    reads = [(10**15 + number, bytes(221)) for number in range(30_000)]
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_what_reads_fill_is_memory_that_was_touched_before() -> None:
    """The first write to a page takes microseconds between two stamps: 2,500 of them here."""
    first_writes = {
        how: int(subprocess.check_output([sys.executable, "-c", READS_OF_10_MB, how], text=True))
        for how in ("plain", "undisturbed")
    }
    assert first_writes["undisturbed"] < first_writes["plain"] / 10
