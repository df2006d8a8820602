"""Format of Mooncake's traces: JSON lines, milliseconds, prompts as hashes of blocks of 512 tokens."""

from typing import Any

from llmdvfs.inputs.traces.row import RawRow, TraceFormat, hash_ids_of, microseconds, whole

BLOCK_TOKENS = 512


def _parse(record: dict[str, Any]) -> RawRow:
    if "chat_id" in record:
        raise ValueError("chat_id is a field of Qwen's traces, whose times are seconds: expected none in Mooncake's")
    length = whole(record, "input_length")
    ids = hash_ids_of(record, length, BLOCK_TOKENS)
    return RawRow(microseconds(record["timestamp"] / 1000), length, whole(record, "output_length"), ids)


MOONCAKE = TraceFormat("mooncake", "Mooncake (JSON lines, ms, blocks of 512 tokens)", None, _parse, BLOCK_TOKENS)
