"""Workloads of tests: small, with every field that a test does not care about filled in."""

from typing import Any

from llmdvfs.records.spec import ArrivalSpec, LengthSpec, PromptSpec, WorkloadSpec


def fixed(value: int) -> LengthSpec:
    return LengthSpec("fixed", value=value)


def workload(
    arrival: ArrivalSpec | None = None,
    *,
    prompts: PromptSpec | None = None,
    num_output: int = 4,
    num_requests: int | None = 1,
    duration_s: float | None = None,
    **more: Any,
) -> WorkloadSpec:
    return WorkloadSpec(
        id="test",
        prompts=prompts or PromptSpec("random", prompt_tokens=fixed(8), output_tokens=fixed(num_output)),
        arrival=arrival or ArrivalSpec("closed", concurrency=1),
        num_requests=num_requests,
        duration_s=duration_s,
        **more,
    )
