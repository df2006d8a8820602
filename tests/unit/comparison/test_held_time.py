"""How much of the time for which servers were held was measured load, worked out by hand."""

from dataclasses import replace

import pytest
from fakes.records import Toy, fake_cell

from llmdvfs.clock import NS_PER_S
from llmdvfs.comparison.held_time import held_time
from llmdvfs.comparison.words.held import held_in_words
from llmdvfs.records.comparison import HeldTime
from llmdvfs.records.run import RunRecord


def run_of(launch: int, load_s: tuple[int, int], idle_end_s: int, *, gpu: bool = True) -> RunRecord:
    """Servers started at 1,000 s; the cell began 60 s later, its load and idle window as given after that."""
    run = fake_cell(Toy("disaggregated", launch=launch, gpu=gpu, duration_s=1.0)).run
    begin, end = (t * NS_PER_S for t in load_s)
    return replace(
        run,
        server_start=replace(run.server_start, started_unix_s=1000.0),
        started_unix_s=1060.0,
        started_mono_ns=0,
        load_begin_mono_ns=begin,
        load_end_mono_ns=end,
        idle_after=(end, idle_end_s * NS_PER_S),
    )


def test_two_cells_of_one_start_and_one_of_another() -> None:
    """Start 1: 60 s, then to 40 s of its second cell: 100 s, 10 + 20 s of load. Start 2: 80 s, 10 s. Two GPUs each."""
    runs = [run_of(1, (2, 12), 14), run_of(1, (18, 38), 40), run_of(2, (5, 15), 20)]
    assert held_time(runs) == HeldTime(2, 180.0, 40.0, 360.0, 80.0)


def test_an_endpoint_of_somebody_else_is_held_by_nobody_here() -> None:
    run = run_of(1, (2, 12), 14)
    assert held_time([replace(run, server_start=replace(run.server_start, instances=()))]) is None


@pytest.mark.parametrize(
    ("held", "text"),
    [
        (HeldTime(2, 180.0, 45.0, 0.0, 0.0), "servers were held for 3 min in 2 starts, 25% of it measured load"),
        (
            HeldTime(1, 7200.0, 1800.0, 14400.0, 7200.0),
            "servers were held for 2 h 00 min in 1 start, 25% of it measured load; "
            "GPUs for 4 GPU hours, 50% of it measured load",
        ),
    ],
)
def test_it_is_told_in_words(held: HeldTime, text: str) -> None:
    assert held_in_words(held) == text
