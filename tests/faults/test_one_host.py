"""Runs that share a host: with another run, and with what a killed run has left."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from faults.place import Machine, Place

from llmdvfs.serving.lifetime import descendants, is_alive

LIMIT_S = 180.0

MakePlace = Callable[..., Place]


@pytest.fixture
def make_place(machine: Machine, tmp_path: Path) -> Iterator[MakePlace]:
    with ExitStack() as stack:

        def make(host: Place | None = None) -> Place:
            place = Place(tmp_path / ("second" if host else "first"), machine, host)
            stack.callback(place.close)
            return place

        yield make


def test_two_runs_take_turns_and_leave_each_others_servers_alone(make_place: MakePlace) -> None:
    """The first is killed while the second waits, and its servers are slow to go: the second starts beside them."""
    first = make_place()
    second = make_place(first)
    first.servers_start(stubborn=True)
    killed = first.start("job")
    assert killed.meets(first.is_loaded, LIMIT_S), killed.output
    job = first.found("benchmark job", LIMIT_S)
    waiting = second.start("job")
    notice = f"waiting: another measurement runs on this host (process {job})"
    assert waiting.meets(lambda: notice in waiting.output, LIMIT_S), waiting.output

    os.kill(job, signal.SIGKILL)
    assert waiting.meets(lambda: waiting.find("engine") is not None, LIMIT_S), waiting.output
    assert killed.living(), "the servers were gone before the others started: they never ran side by side"
    assert waiting.wait(LIMIT_S) == 0, waiting.output
    assert len(second.finished()) == 2
    assert killed.wait_for(lambda: not killed.living(), 10), killed.living()

    again = first.start("job")
    assert again.wait(LIMIT_S) == 0, again.output
    assert len(first.finished()) == 2


def test_gpus_that_a_killed_run_is_about_to_give_back_are_waited_for(make_place: MakePlace) -> None:
    place = make_place()
    place.study["architectures"] = ["tensor_parallel-2"]  # all GPUs there are
    place.servers_start(stubborn=True)
    run = place.start("job")
    assert run.meets(place.is_loaded, LIMIT_S), run.output
    os.kill(place.found("benchmark job", LIMIT_S), signal.SIGKILL)
    again = place.start("job")
    assert again.wait(LIMIT_S) == 0, again.output
    assert (
        "waiting for up to 15 s: serving.gpus: 2 GPUs needed, 0 of 2 visible free: GPU 0 is leased to" in again.output
    )


def test_what_is_left_where_all_guards_were_killed_at_once_is_ended_by_the_next_run(make_place: MakePlace) -> None:
    """The one gap: an engine whose job and both guards die in the same instant has nobody left to end it.

    The next run of this user on this host may be another test's: then it has ended the engine, and we leave one again.
    """
    place = make_place()
    for _ in range(3):
        engine = orphaned_engine(place)
        again = place.start("job")
        assert again.wait(LIMIT_S) == 0, again.output
        assert not is_alive(engine)
        if f"ending process {engine} (VLLM::EngineCore 600): the run that had started it was killed" in again.output:
            return
        shutil.rmtree(place.results)
    pytest.skip("other runs on this host ended the engine before ours could, three times")


def orphaned_engine(place: Place) -> int:
    """Kill a job under load with both guards of its server; return the engine, which is all that is left."""
    run = place.start("job")
    assert run.meets(place.is_loaded, LIMIT_S), run.output
    job, engine = place.found("benchmark job", LIMIT_S), place.found("engine", LIMIT_S)
    outer = place.found("guard", LIMIT_S)
    inner = descendants(outer)[0]
    for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: none sees another one die
        for pid in (job, outer, inner):
            os.kill(pid, number)
    run.wait(LIMIT_S)
    assert run.wait_for(lambda: set(run.living()) <= {engine}, LIMIT_S), run.living()
    return engine
