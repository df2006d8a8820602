"""Plans a load: every request with its time, its prompt and its length, before anything is sent."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from pathlib import Path
from random import Random

from llmdvfs.arrivals.draw import draw_arrivals
from llmdvfs.arrivals.kind import Arrival
from llmdvfs.load.schedule.lengths import draw_length
from llmdvfs.load.schedule.prompts import prompt_source
from llmdvfs.records.spec import WorkloadSpec

# Warm-up requests have a seed and indices of their own: none of their prompts, prefixes or blocks is measured later.
WARMUP_SEED_OFFSET = 1_000_003
FIRST_WARMUP_INDEX = 1_000_000_000


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request that is to be sent; exactly one of prompt_ids and prompt_text is set."""

    index: int
    offset_s: float | None
    """When it is to be sent, in seconds since the load's begin; None: as soon as a place is free."""
    wave: int | None
    prompt_ids: Sequence[int] | None
    prompt_text: str | None
    num_output_tokens: int

    @property
    def num_prompt_tokens(self) -> int | None:
        """Number of tokens of the prompt as sent; None where the server turns a text into tokens."""
        return None if self.prompt_ids is None else len(self.prompt_ids)


def plan_load(
    workload: WorkloadSpec, tokenizer_folder: Path | None, seed_prompts: int, seed_arrivals: int
) -> tuple[Iterator[PlannedRequest], list[PlannedRequest]]:
    """Return the measured requests, and those of the warm-up; a trace is opened and read once for both."""
    arrivals = draw_arrivals(workload, seed_arrivals)
    first = list(islice(arrivals, workload.num_warmup_requests))
    measured = plan_requests(workload, tokenizer_folder, seed_prompts, seed_arrivals, arrivals=chain(first, arrivals))
    return measured, plan_warmup(workload, tokenizer_folder, seed_prompts, seed_arrivals, arrivals=first)


def plan_requests(
    workload: WorkloadSpec,
    tokenizer_folder: Path | None,
    seed_prompts: int,
    seed_arrivals: int,
    first_index: int = 0,
    arrivals: Iterable[Arrival] | None = None,
) -> Iterator[PlannedRequest]:
    """Yield the requests in the order of sending; endless for a closed loop that is ended by duration.

    arrivals: drawn before; None: they are drawn here.
    """
    if arrivals is None:
        arrivals = draw_arrivals(workload, seed_arrivals)
    as_text = workload.endpoint == "chat"
    source = prompt_source(workload.prompts, as_text=as_text, tokenizer_folder=tokenizer_folder, seed=seed_prompts)
    for index, arrival in enumerate(arrivals, first_index):
        prompt = source.prompt(index, arrival.row)
        length_of_data = arrival.row.num_output_tokens if arrival.row else prompt.num_answer_tokens
        rng = Random(f"output/{seed_prompts}/{index}")
        yield PlannedRequest(
            index=index,
            offset_s=arrival.offset_s,
            wave=arrival.wave,
            prompt_ids=prompt.ids,
            prompt_text=prompt.text,
            num_output_tokens=draw_length(workload.prompts.output_tokens, rng, length_of_data),
        )


def plan_warmup(
    workload: WorkloadSpec,
    tokenizer_folder: Path | None,
    seed_prompts: int,
    seed_arrivals: int,
    arrivals: Sequence[Arrival] | None = None,
) -> list[PlannedRequest]:
    """Return `num_warmup_requests` requests like the measured ones, to be sent as places get free.

    arrivals: the first ones of the plan, as many or all there are; None: they are drawn here.
    """
    seed = seed_prompts + WARMUP_SEED_OFFSET
    # A plan shorter than its warm-up is begun again.
    rounds = (
        plan_requests(workload, tokenizer_folder, seed, seed_arrivals, FIRST_WARMUP_INDEX * number, arrivals)
        for number in count(1)
    )
    requests = islice(chain.from_iterable(rounds), workload.num_warmup_requests)
    return [replace(request, offset_s=None, wave=None) for request in requests]
