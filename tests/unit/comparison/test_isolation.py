"""The power attributed to a phase under a load with both phases, beside the load that isolates it."""

from dataclasses import replace

import pytest
from fakes.records import Toy, fake_cell

from llmdvfs.comparison.groups import compare
from llmdvfs.comparison.words.notes import notes
from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.records.comparison import ComparisonRecord, IsolationCheck
from llmdvfs.records.result import Estimate, PhaseEnergy

CELLS = {name: fake_cell(Toy(workload=name, gpu=True, duration_s=0.5)) for name in ("concurrent", "decode")}


def cell(
    workload: str, power_w: float | None, *, name: str | None = None, in_flight: int = 16, prompt_tokens: int = 4000
) -> MeasuredCell:
    """A cell of 10 requests with 1000 output tokens whose decode drew this power."""
    made = CELLS[workload]
    phase = PhaseEnergy("single", "decode", 5.0, Estimate(power_w, reason="not told"), Estimate(None))
    throughput = replace(
        made.result.throughput, num_requests=10, num_prompt_tokens=prompt_tokens, num_output_tokens=1000
    )
    identity = replace(made.result.cell, workload=name or workload)
    result = replace(
        made.result,
        cell=identity,
        key=f"{name or workload}-{in_flight}",
        throughput=throughput,
        energy=replace(made.result.energy, phases=(phase,)),
    )
    arrival = replace(made.run.workload.arrival, kind="closed", concurrency=in_flight)
    asked = replace(made.run.workload, id=identity.workload, arrival=arrival)
    return replace(made, result=result, run=replace(made.run, cell=identity, key=result.key, workload=asked))


def compared(*cells: MeasuredCell) -> ComparisonRecord:
    return compare([one.result for one in cells], [one.run for one in cells])


def check(*cells: MeasuredCell) -> IsolationCheck:
    (found,) = compared(*cells).isolation
    return found


@pytest.mark.parametrize(
    ("attributed_w", "status", "seen"),
    [(411.0, "passed", "411 W for 400 W (+2.8%)"), (384.0, "failed", "384 W for 400 W (-4.0%)")],
)
def test_an_attributed_power_is_that_of_the_load_that_isolates_the_phase(
    attributed_w: float, status: str, seen: str
) -> None:
    """At 16 in flight decode came out 5.4 % low, without a mark: the load beside it would have shown it."""
    gate = check(cell("concurrent", attributed_w), cell("decode", 400.0)).gate
    assert (gate.status, gate.seen) == (status, seen)


def test_another_number_in_flight_is_no_counterpart() -> None:
    """Decode draws more for a larger batch: 8 in flight say nothing of 16."""
    assert not compared(cell("concurrent", 400.0), cell("decode", 350.0, in_flight=8)).isolation


def test_of_two_counterparts_the_one_with_the_nearer_context_is_taken() -> None:
    """4000 / 10 prompt tokens and half of 100 output tokens are a context of 450; 500 is nearer to it than 1050."""
    near = cell("decode", 400.0, name="decode-near", prompt_tokens=4500)
    far = cell("decode", 300.0, name="decode-far", prompt_tokens=10_000)
    assert check(cell("concurrent", 400.0), far, near).isolating_workload == "decode-near"


def test_contexts_too_unlike_are_told_and_not_judged() -> None:
    """A context of 1050 tokens against one of 450."""
    gate = check(cell("concurrent", 300.0), cell("decode", 400.0, prompt_tokens=10_000)).gate
    assert (gate.status, gate.seen) == (
        "not_applicable",
        "300 W for 400 W (-25.0%), with 450 and 1050 tokens a request: too unlike",
    )


def test_a_power_that_is_null_is_not_judged() -> None:
    found = check(cell("concurrent", None), cell("decode", 400.0))
    assert (found.difference_fraction, found.gate.status, found.gate.seen) == (None, "not_applicable", "not told")


def test_the_summary_names_what_disagrees_and_counts_the_rest() -> None:
    good = (cell("concurrent", 402.0), cell("decode", 400.0))
    bad = (cell("concurrent", 500.0, name="busy", in_flight=32), cell("decode", 400.0, name="decode-32", in_flight=32))
    told = [note for note in notes(compared(*good, *bad)) if "isolate" in note]
    assert len(told) == 2
    assert "busy" in told[0]
    assert "500 W for 400 W (+25.0%)" in told[0]
    assert told[1] == "attributed powers of phases agree with the loads that isolate them in 1 of 2 cases"
