"""Counts recorded requests that are longer than what an engine takes, when the study is planned."""

from collections.abc import Iterator
from itertools import islice

from llmdvfs.arrivals.draw import draw_arrivals
from llmdvfs.errors import ConfigError
from llmdvfs.models.resolve import config_of
from llmdvfs.plan.study import Study
from llmdvfs.records.spec import DeploymentSpec, LengthSpec, WorkloadSpec

MAX_COUNTED = 200_000  # requests of a trace that are looked at; so many of 27 M took 1.1 s of CPU


def long_requests(study: Study) -> Iterator[str]:
    """Yield a sentence for each workload some of whose recorded requests are too long for a deployment.

    Raises DataError where the trace's window holds no request, or a damaged one, and ConfigError instead of the first
    sentence where the study has `refuse_long_requests`.
    """
    limits = [limit for limit in map(_max_model_len, study.deployments.values()) if limit is not None]
    for workload in study.workloads.values():
        lengths = list(_lengths(workload))
        too_long = [length for length in lengths if limits and length > min(limits)]
        if too_long:
            seen = (
                f"workloads.{workload.id}: {len(too_long)} of {len(lengths)} recorded requests take up to "
                f"{max(too_long)} tokens of prompt and output, more than max_model_len {min(limits)}"
            )
            todo = "set `high` in prompt_tokens and output_tokens to clip them, or raise serving.engine.max_model_len"
            if study.refuse_long_requests:
                raise ConfigError(f"{seen}, and refuse_long_requests is true; {todo}")
            yield f"{seen}: the server refuses or shortens them; {todo}"


def _lengths(workload: WorkloadSpec) -> Iterator[int]:
    """Yield prompt plus output tokens of each request of a trace, as far as they are recorded or fixed."""
    prompt, output = workload.prompts.prompt_tokens, workload.prompts.output_tokens
    if workload.arrival.trace_path is None or prompt is None or "trace" not in (prompt.kind, output.kind):
        return
    for arrival in islice(draw_arrivals(workload, seed=0), MAX_COUNTED):
        if arrival.row is not None:
            yield _clipped(prompt, arrival.row.num_prompt_tokens) + _clipped(output, arrival.row.num_output_tokens)


def _clipped(spec: LengthSpec, recorded: int) -> int:
    """Return the length as it will be asked for; where it is drawn, the least one that is sure."""
    if spec.kind != "trace":
        return spec.value or spec.low or 1
    return min(max(recorded, spec.low or 1), spec.high or recorded)


def _max_model_len(deployment: DeploymentSpec) -> int | None:
    """Return the shortest context of the deployment's engines; None where only the server knows it."""
    own = (config_of(deployment.model) or {}).get("max_position_embeddings")
    set_here = [engine.max_model_len for engine in deployment.engine.values() if engine.max_model_len is not None]
    if set_here:
        return min(set_here)
    return own if isinstance(own, int) and deployment.device != "external" else None
