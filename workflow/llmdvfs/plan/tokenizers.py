"""Refuses what only a tokenizer can do where the tokenizer is not on this machine."""

from collections.abc import Sequence

from llmdvfs.errors import ConfigError
from llmdvfs.records.spec import ModelSpec, WorkloadSpec

WITHOUT_TEXTS = ("random", "shared_prefix")
"""Sources of prompts that are token ids, unless a chat is asked for."""


def check_tokenizers(workloads: Sequence[WorkloadSpec], models: Sequence[ModelSpec]) -> None:
    """Raise ConfigError where texts have to have a number of tokens, and a model's tokenizer is at a hub.

    The load generator would say it, after servers had started.
    """
    at_hub = [model.name for model in models if model.source == "hub"]
    counting = [workload.id for workload in workloads if _counts_tokens(workload)]
    if at_hub and counting:
        raise ConfigError(
            f"models.{at_hub[0]}.source: 'hub': workloads.{counting[0]} asks for texts of a number of tokens, and the "
            "tokenizer is at the hub: expected a folder with tokenizer.json (source path; with `external` too, where "
            "served_name is what requests ask for), or a data set's prompts as they are, without prompt_tokens"
        )


def _counts_tokens(workload: WorkloadSpec) -> bool:
    prompts = workload.prompts
    if prompts.source in WITHOUT_TEXTS:
        return workload.endpoint == "chat"
    return prompts.prompt_tokens is not None or prompts.output_tokens.kind == "trace"
