"""Counts requests that are longer than what an engine takes, when the study is planned."""

from collections.abc import Iterator, Mapping
from itertools import islice

from llmdvfs.arrivals.draw import draw_arrivals
from llmdvfs.errors import ConfigError
from llmdvfs.models.resolve import config_of
from llmdvfs.plan.long_prompts import least_length, long_prompts
from llmdvfs.plan.study import Study
from llmdvfs.records.spec import DeploymentSpec, ModelSpec, WorkloadSpec

MAX_COUNTED = 200_000  # requests of a trace that are looked at; so many of 27 M took 1.1 s of CPU
TODO = "set `high` in prompt_tokens and output_tokens to clip them, or raise serving.engine.max_model_len"


def long_requests(study: Study) -> Iterator[str]:
    """Yield a sentence for each workload some of whose recorded requests or prompts are too long for a deployment.

    Raises DataError where a trace's window holds no request, or a file is damaged, and ConfigError instead of the first
    sentence where the study has `refuse_long_requests`.
    """
    limits = _limits(study)
    for workload in study.workloads.values():
        for seen in (*_seen_of_trace(workload, limits), *_seen_of_data_set(workload, limits)):
            if study.refuse_long_requests:
                raise ConfigError(f"{seen}, and refuse_long_requests is true; {TODO}")
            yield f"{seen}: the server refuses or shortens them; {TODO}"


def _seen_of_trace(workload: WorkloadSpec, limits: Mapping[ModelSpec, int]) -> Iterator[str]:
    lengths, limit = list(_lengths(workload)), min(limits.values(), default=None)
    too_long = [length for length in lengths if limit is not None and length > limit]
    if too_long:
        yield (
            f"workloads.{workload.id}: {len(too_long)} of {len(lengths)} recorded requests take up to "
            f"{max(too_long)} tokens of prompt and output, more than max_model_len {limit}"
        )


def _seen_of_data_set(workload: WorkloadSpec, limits: Mapping[ModelSpec, int]) -> Iterator[str]:
    for model, limit in limits.items():
        found = long_prompts(workload, model, limit)
        if found.num_long:
            seen = f"{found.num_seen}" if found.are_all_seen else f"the first {found.num_seen}"
            yield (
                f"workloads.{workload.id}: {found.num_long} of {seen} prompts of {workload.prompts.path} take up to "
                f"{found.longest} tokens of {model.name} with their output, more than max_model_len {limit}"
            )


def _lengths(workload: WorkloadSpec) -> Iterator[int]:
    """Yield prompt plus output tokens of each request of a trace, as far as they are recorded or fixed."""
    prompt, output = workload.prompts.prompt_tokens, workload.prompts.output_tokens
    if workload.arrival.trace_path is None or prompt is None or "trace" not in (prompt.kind, output.kind):
        return
    for arrival in islice(draw_arrivals(workload, seed=0), MAX_COUNTED):
        if arrival.row is not None:
            yield least_length(prompt, arrival.row.num_prompt_tokens) + least_length(
                output, arrival.row.num_output_tokens
            )


def _limits(study: Study) -> dict[ModelSpec, int]:
    """Return the shortest context that a model has in the study's deployments, as far as it is known."""
    limits: dict[ModelSpec, int] = {}
    for deployment in study.deployments.values():
        if (limit := _max_model_len(deployment)) is not None:
            limits[deployment.model] = min(limit, limits.get(deployment.model, limit))
    return limits


def _max_model_len(deployment: DeploymentSpec) -> int | None:
    """Return the shortest context of the deployment's engines; None where only the server knows it."""
    own = (config_of(deployment.model) or {}).get("max_position_embeddings")
    set_here = [engine.max_model_len for engine in deployment.engine.values() if engine.max_model_len is not None]
    if set_here:
        return min(set_here)
    return own if isinstance(own, int) and deployment.device != "external" else None
