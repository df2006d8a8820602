"""Only servers whose run was killed are ended: not processes that have the variable for reasons of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmdvfs.serving.instance.leftovers import KEEPERS, end_leftovers, keepers_mark
from llmdvfs.serving.lifetime import is_alive


@contextmanager
def process_with(mark: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], env=os.environ | {KEEPERS: mark}
    ) as one:
        try:
            yield one
        finally:
            one.kill()


def dead_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_a_server_whose_keepers_are_dead_is_ended_and_named() -> None:
    namespace = keepers_mark([]).split(" ")[0]
    said: list[str] = []
    with process_with(f"{namespace} {dead_pid()}:1") as server:
        end_leftovers(said.append)
        assert not is_alive(server.pid)
    assert len(said) == 1
    assert f"ending process {server.pid} ({sys.executable} -c" in said[0]


@pytest.mark.parametrize("form", ["yes", "{namespace}", "{namespace} everybody", "{namespace} 1:x:y everybody", ""])
def test_a_variable_of_another_form_is_somebody_elses(form: str) -> None:
    """A value that was no list of processes ended every run with a ValueError, or the process that had it."""
    namespace = str(Path("/proc/self/ns/pid").readlink())
    with process_with(form.format(namespace=namespace)) as other:
        end_leftovers(pytest.fail)
        assert is_alive(other.pid)


def test_a_server_whose_keepers_live_is_left() -> None:
    with process_with(keepers_mark([os.getpid()])) as server:
        end_leftovers(pytest.fail)
        assert is_alive(server.pid)
