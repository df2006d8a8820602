"""CPU that others took: worked out by hand, and once for real."""

import os
import subprocess
import sys
import time

import pytest

from llmdvfs.benchmark.host_cpu import HostCpu, host_cpu, others_between

S = 1_000_000_000


def test_what_is_left_of_the_kernels_total_belongs_to_others() -> None:
    """In 10 s on 4 CPUs 24 s were spent, 16 s of them by this job: 8 of 40 s are a fifth, 5 s of it by `make`.

    A compiler that began and ended in between is in the total and has no name any more.
    """
    before = HostCpu(0, 100.0, 30.0, 4, {("make", 7): 50.0, ("cron", 8): 1.0})
    after = HostCpu(10 * S, 124.0, 46.0, 4, {("make", 7): 55.0, ("cron", 8): 1.1, ("new", 9): 1.0})
    found = others_between(before, after)
    assert found is not None
    assert found.fraction == pytest.approx(0.2)
    assert found.largest == ("make (7) 0.50 CPUs", "new (9) 0.10 CPUs")  # cron took a hundredth


def test_this_job_alone_is_quiet() -> None:
    """Ticks of 10 ms let the parts exceed the whole by a little: that is no less than nothing."""
    found = others_between(HostCpu(0, 0.0, 0.0, 2), HostCpu(10 * S, 19.98, 20.0, 2))
    assert found is not None
    assert found.fraction == 0.0


def test_two_looks_at_once_say_nothing() -> None:
    assert others_between(HostCpu(0, 0.0, 0.0, 2), HostCpu(S // 20, 1.0, 0.0, 2)) is None


def test_own_children_are_not_others_even_after_they_ended() -> None:
    """The load generator is reaped before the second look: its CPU time was taken for a stranger's."""
    before = host_cpu()
    spin = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    subprocess.run([sys.executable, "-c", spin], check=True)
    time.sleep(0.1)
    after = host_cpu()
    assert after.own_s - before.own_s >= 0.5
    assert not any(pid == os.getpid() for _, pid in after.others_s)
