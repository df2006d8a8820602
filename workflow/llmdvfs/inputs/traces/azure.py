"""Format of Azure's LLM inference traces of 2023, 2024 and 2025: CSV with time stamps of the day."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from llmdvfs.inputs.traces.row import RawRow, TraceFormat

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def _parse(columns: Sequence[str]) -> RawRow:
    stamp, num_prompt_tokens, num_output_tokens = columns
    # 2023: seven digits after the point, no zone. 2024: a zone, and no fraction in whole seconds. 2025: T and Z.
    moment = datetime.fromisoformat(stamp)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return RawRow((moment - EPOCH) // MICROSECOND, int(num_prompt_tokens), int(num_output_tokens))


AZURE = TraceFormat(
    "azure",
    "Azure LLM inference traces 2023, 2024 and 2025 (CSV)",
    ("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
    _parse,
)
