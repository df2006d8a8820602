"""The bytes of KV cache that a token takes: config.json's, held against what the started engine says it has made."""

from pathlib import Path

from llmdvfs.models.facts import kv_bytes_per_token
from llmdvfs.models.resolve import config_of
from llmdvfs.records.job import LaunchRecord
from llmdvfs.records.run import InstanceRecord, ServerStart

LEAST_DIFFERENCE_FRACTION = 0.02
"""Memory is logged to 0.01 GiB, and caches are made of whole blocks."""
LARGEST_BLOCK_TOKENS = 128
"""The engine counts whole sequences of the longest length, whose last block may be almost empty."""


def settled_kv_bytes(launch: LaunchRecord, start: ServerStart) -> tuple[int | None, tuple[str, ...]]:
    """Return the bytes of a token, and what there is to say of them.

    None where config.json does not say them for certain, and where an engine has made a cache of other ones: a forecast
    that was wrong is no basis for sizes of transfers. The engine's own count stays in `kv_cache` of the instance.
    """
    foreseen = launch.kv_bytes_per_token
    if foreseen is None:
        return None, ()
    said = tuple(filter(None, (_difference(launch, instance) for instance in start.instances)))
    return (None if said else foreseen), said


def _difference(launch: LaunchRecord, instance: InstanceRecord) -> str | None:
    """Return what differs in words; None: nothing, or the engine did not say it."""
    made = instance.kv_cache.bytes_per_token if instance.kv_cache else None
    engine, model = launch.deployment.engine[instance.role], Path(launch.model_path)
    if made is None or not model.is_dir():
        return None
    foreseen = kv_bytes_per_token(model, engine.dtype, engine.extra_args, engine.tensor_parallel_size)
    longest = engine.max_model_len or (config_of(launch.deployment.model) or {}).get("max_position_embeddings")
    if foreseen is None or not isinstance(longest, int):
        return None
    if abs(made / foreseen - 1) <= LEAST_DIFFERENCE_FRACTION + LARGEST_BLOCK_TOKENS / longest:
        return None
    return (
        f"{instance.name}: its engine made a KV cache of {made:,.0f} bytes a token, config.json foresees {foreseen:,}; "
        f"sizes of KV transfers are null in this cell; see {instance.log}, and report the model"
    )
