"""Format of Qwen's traces of the Bailian service: JSON lines, seconds, blocks of 16 tokens, turns of chats.

A later turn of a chat begins with the blocks of the turns before, so that equal hash ids carry the shared prefix; its
instant is the recorded one. The same layout is what `vllm bench serve --dataset-name timed_trace` reads by default.
"""

from typing import Any

from llmdvfs.inputs.traces.row import RawRow, TraceFormat, hash_ids_of, microseconds, whole

BLOCK_TOKENS = 16


def _parse(record: dict[str, Any]) -> RawRow:
    if record.get("turn") is not None and whole(record, "turn") < 1:
        raise ValueError(f"turn {record['turn']!r}: expected 1 or more")
    length = whole(record, "input_length")
    ids = hash_ids_of(record, length, BLOCK_TOKENS)
    return RawRow(microseconds(record["timestamp"]), length, whole(record, "output_length"), ids)


QWEN_BAILIAN = TraceFormat(
    "qwen_bailian", "Qwen's traces of Bailian (JSON lines, s, blocks of 16 tokens, turns)", None, _parse, BLOCK_TOKENS
)
