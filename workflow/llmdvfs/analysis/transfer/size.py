"""The size of KV as config.json foresees it, held against what the connector says it has moved."""

from llmdvfs.records.result import TransferResult
from llmdvfs.records.run import RunRecord

LARGEST_DIFFERENCE_FRACTION = 0.1
"""Connectors move whole blocks, of which the last may be almost empty."""


def size_warnings(transfer: TransferResult | None, run: RunRecord) -> tuple[str, ...]:
    """Return a warning where the connector moved other bytes a token than config.json foresees.

    Empty where either is not known, and for instances on several GPUs: what each rank sends depends on the model.
    """
    if transfer is None or not transfer.moved_bytes or not transfer.external_kv_tokens or not run.kv_bytes_per_token:
        return ()
    if any(engine.tensor_parallel_size > 1 for engine in run.deployment.engine.values()):
        return ()
    seen = transfer.moved_bytes / transfer.external_kv_tokens
    if abs(seen / run.kv_bytes_per_token - 1) <= LARGEST_DIFFERENCE_FRACTION:
        return ()
    return (
        f"the connector moved {seen:,.0f} bytes a token, config.json foresees {run.kv_bytes_per_token:,}: the rate is "
        "by the connector's own count, bytes_per_request by config.json; see docs/metrics.md#kv-transfer",
    )
