"""A format of traces: CSV with whole milliseconds."""

from collections.abc import Sequence

from llmdvfs.inputs.traces.row import RawRow, TraceFormat


def _parse(columns: Sequence[str]) -> RawRow:
    ms, num_prompt_tokens, num_output_tokens = (int(column) for column in columns)
    return RawRow(ms * 1000, num_prompt_tokens, num_output_tokens)


DIARY = TraceFormat("diary", "a diary (CSV)", ("ms", "asked", "answered"), _parse)
