"""The whole plan of a load."""

from itertools import islice
from pathlib import Path

import pytest
from fakes.workloads import fixed, workload

from llmdvfs.load.schedule.plan import plan_load, plan_requests, plan_warmup
from llmdvfs.records.spec import ArrivalSpec, LengthSpec, PromptSpec

SHARED = Path(__file__).parents[4] / "shared" / "data"


def test_lengths_times_and_waves() -> None:
    prompts = PromptSpec("random", LengthSpec("uniform", low=3, high=5), LengthSpec("uniform", low=1, high=2))
    plan = list(
        plan_requests(workload(ArrivalSpec("waves", wave_sizes=(2, 2)), prompts=prompts, num_requests=None), None, 1, 1)
    )
    assert [(request.index, request.wave, request.offset_s) for request in plan] == [
        (0, 0, None),
        (1, 0, None),
        (2, 1, None),
        (3, 1, None),
    ]
    assert all(3 <= (request.num_prompt_tokens or 0) <= 5 and 1 <= request.num_output_tokens <= 2 for request in plan)


def test_seeds_are_separate() -> None:
    """Another arrival seed leaves the prompts as they are, and the other way round."""
    load = workload(ArrivalSpec("poisson", rate_rps=1.0), num_requests=20)
    one, other_times, other_prompts = (
        list(plan_requests(load, None, prompts, arrivals)) for prompts, arrivals in ((1, 1), (1, 2), (2, 1))
    )
    assert [r.prompt_ids for r in one] == [r.prompt_ids for r in other_times] != [r.prompt_ids for r in other_prompts]
    assert [r.offset_s for r in one] == [r.offset_s for r in other_prompts] != [r.offset_s for r in other_times]


def test_warmup_shares_no_prompt_and_no_prefix_with_the_load() -> None:
    spec = PromptSpec("shared_prefix", fixed(20), fixed(4), num_prefixes=2, prefix_tokens=16)
    load = workload(prompts=spec, num_requests=50, num_warmup_requests=30)
    measured = list(plan_requests(load, None, 1, 1))
    warmup = plan_warmup(load, None, 1, 1)
    assert len(warmup) == 30
    assert {tuple(r.prompt_ids or ())[:16] for r in measured}.isdisjoint(tuple(r.prompt_ids or ())[:16] for r in warmup)


def test_warmup_longer_than_the_plan_and_without_schedule() -> None:
    load = workload(ArrivalSpec("constant", rate_rps=1.0), num_requests=2, num_warmup_requests=5)
    warmup = plan_warmup(load, None, 1, 1)
    assert [request.offset_s for request in warmup] == [None] * 5
    assert len({tuple(request.prompt_ids or ()) for request in warmup}) == 5


@pytest.mark.parametrize("num_warmup", [0, 3, 25])
def test_a_load_and_its_warmup_of_one_reading_are_what_they_are_alone(num_warmup: int) -> None:
    load = workload(ArrivalSpec("poisson", rate_rps=1.0), num_requests=10, num_warmup_requests=num_warmup)
    measured, warmup = plan_load(load, None, 1, 2)
    assert list(measured) == list(plan_requests(load, None, 1, 2))
    assert warmup == plan_warmup(load, None, 1, 2)


def test_a_trace_is_opened_once_a_load(tmp_path: Path) -> None:
    """The measured load and its warm-up each read it from its begin: 18 s twice for a window late in 27 M rows.

    Here it is gone when the load begins: whoever opened it again would not find it.
    """
    path = tmp_path / "trace.csv"
    rows = "".join(f"{second},10,5\n" for second in range(6))
    path.write_text(f"Timestamp,Request tokens,Response tokens\n{rows}")
    arrival = ArrivalSpec("trace", trace_path=str(path), trace_format="burstgpt")
    prompts = PromptSpec("random", LengthSpec("trace"), LengthSpec("trace"))
    load = workload(arrival, prompts=prompts, num_requests=None, num_warmup_requests=2)
    measured, warmup = plan_load(load, None, 1, 1)
    path.unlink()
    assert [request.offset_s for request in measured] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert len(warmup) == 2


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared traces are not here")
def test_mooncake_replays_times_lengths_and_shared_prefixes() -> None:
    spec = ArrivalSpec(
        "trace",
        trace_path=str(SHARED / "mooncake_conversation_head2000.jsonl.gz"),
        trace_format="mooncake",
    )
    prompts = PromptSpec("random", LengthSpec("trace"), LengthSpec("trace"))
    first, second = islice(plan_requests(workload(spec, prompts=prompts, num_requests=None), None, 1, 1), 2)
    assert (first.offset_s, first.num_prompt_tokens, first.num_output_tokens) == (0.0, 6758, 500)
    assert (second.num_prompt_tokens, second.num_output_tokens) == (7322, 490)
    assert first.prompt_ids is not None
    assert second.prompt_ids is not None
    assert list(first.prompt_ids[:512]) == list(second.prompt_ids[:512])  # both have block 0
    assert list(first.prompt_ids[512:1024]) != list(second.prompt_ids[512:1024])
