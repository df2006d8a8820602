"""Format of BurstGPT: CSV with seconds since the begin, in six columns or (later files) in eight."""

from collections.abc import Sequence

from llmdvfs.inputs.traces.row import RawRow, TraceFormat, microseconds


def _parse(columns: Sequence[str]) -> RawRow:
    seconds, num_prompt_tokens, num_output_tokens = columns
    return RawRow(microseconds(float(seconds)), int(num_prompt_tokens), int(num_output_tokens))


BURSTGPT = TraceFormat(
    "burstgpt", "BurstGPT, with or without sessions (CSV)", ("Timestamp", "Request tokens", "Response tokens"), _parse
)
