"""Plays a row: the fault, what it leaves, and the run after it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from faults.matrix import Row
from faults.moments import BEFORE_THE_START
from faults.place import Machine, Place
from faults.run import Run

from llmdvfs.clock import NS_PER_S
from llmdvfs.records.raw import read_raw
from llmdvfs.serving.instance.ports import is_listening

MOMENT_LIMIT_S = 180.0
RUN_LIMIT_S = 180.0
LEFT_LIMIT_S = 10.0
MAX_LATENCY_S = 60.0


def play(row: Row, folder: Path, machine: Machine, store: Path) -> None:
    with a_place(row, folder, machine, store) as place:
        before = place.finished()
        with ExitStack() as until_repaired:
            run, code = run_with_fault(row, place, until_repaired)
            after = place.finished()
        assert before.items() <= after.items(), "a measurement of before was damaged"
        assert "Traceback" not in run.output, run.output
        assert code == row.code, run.output

        place.servers_start()
        again = place.start("job" if row.fault.through == "job" else "snakemake")
        assert again.wait(RUN_LIMIT_S) == 0, again.output
        check_nothing_left(place, again, set())
        assert row.says is None or row.says in run.output + again.output, run.output + again.output
        check_finished(place, after, again)


@contextmanager
def a_place(row: Row, folder: Path, machine: Machine, store: Path) -> Iterator[Place]:
    place = Place(folder, machine, architecture=row.fault.architecture)
    with ExitStack() as stack:
        stack.callback(place.close)
        if row.fault.needs == "disk":
            stack.enter_context(own_disk(place))
        if row.fault.needs == "calibration":
            place.study["measure"] = {"idle_s": 0.5, "calibrate_client": True}  # other cells than those of the store
        elif row.fault.needs == "model":
            place.own_model = shutil.copytree(machine.model, folder / "model")
        else:
            shutil.copytree(store, place.results / "store")
        place.servers_start(**row.when.servers_start)
        yield place


def run_with_fault(row: Row, place: Place, until_repaired: ExitStack) -> tuple[Run, int]:
    """Return the run and its exit code, with nothing left of it."""
    if row.when is BEFORE_THE_START:
        until_repaired.enter_context(row.fault.block(place))
    run = place.start(row.fault.through)
    ports: set[int] = set()
    if row.when is not BEFORE_THE_START:
        assert run.meets(lambda: row.when.is_reached(place), MOMENT_LIMIT_S), run.output
        ports = run.listening_ports()
        until_repaired.enter_context(row.fault.block(place))
    code = run.wait(RUN_LIMIT_S)
    check_nothing_left(place, run, ports)
    return run, code


def check_nothing_left(place: Place, run: Run, ports: set[int]) -> None:
    """No process, no port, no lease and no lock, soon after the run has ended."""

    def left() -> list[object]:
        # All of it, again and again: a process that ends loses its environment before it closes its files.
        open_ports = [port for port in ports if is_listening("127.0.0.1", port)]
        return [*run.living().items(), *open_ports, *place.held_locks()]

    assert run.wait_for(lambda: not left(), LEFT_LIMIT_S), left()


def check_finished(place: Place, before: dict[str, str], again: Run) -> None:
    """Both cells are there; only what was missing has been measured."""
    after = place.finished()
    assert len(after) == 2
    assert before.items() <= after.items()
    assert again.output.count(": measured\n") == len(after) - len(before), again.output
    assert list((place.results / "drafts").glob("*")) == []
    for folder in place.cells():
        raw = read_raw(folder)
        assert raw.run.warnings == ()  # clocks of the run that failed would still be held otherwise
        latencies_s = [((r.end_mono_ns or 0) - r.scheduled_mono_ns) / NS_PER_S for r in raw.requests if r.ok]
        assert latencies_s
        assert 0 < min(latencies_s) <= max(latencies_s) < MAX_LATENCY_S


@contextmanager
def own_disk(place: Place) -> Iterator[None]:
    """Give the results a small disk that only the place's runs see."""
    results = place.folder / "results"
    script = f"mount -t tmpfs -o size=24m tmpfs '{results}' && echo mounted && exec sleep 600"
    holder = subprocess.Popen(
        ["unshare", "-rm", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stderr is not None
        try:
            if holder.stdout.readline() != "mounted\n":
                pytest.skip(f"no mount namespace here: {holder.stderr.read().strip()}")
            inside = ("nsenter", f"--target={holder.pid}", "--user", "--mount", "--preserve-credentials")
            place.enter = (*inside, "sh", "-c", 'cd "$0" && exec "$@"', str(place.folder))
            place.results = Path(f"/proc/{holder.pid}/root{results}")
            yield
        finally:
            holder.kill()
