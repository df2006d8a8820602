"""Table of all formats of traces: adding one is a file and a line here."""

from llmdvfs.errors import DataError
from llmdvfs.inputs.traces.azure import AZURE
from llmdvfs.inputs.traces.burstgpt import BURSTGPT
from llmdvfs.inputs.traces.mooncake import MOONCAKE
from llmdvfs.inputs.traces.qwen_bailian import QWEN_BAILIAN
from llmdvfs.inputs.traces.row import TraceFormat

TRACE_FORMATS: dict[str, TraceFormat] = {item.name: item for item in (AZURE, MOONCAKE, BURSTGPT, QWEN_BAILIAN)}


def trace_format_named(name: str) -> TraceFormat:
    """Return the format with this name; DataError lists the known ones."""
    try:
        return TRACE_FORMATS[name]
    except KeyError:
        raise DataError(f"trace format {name!r} is unknown; expected one of {', '.join(TRACE_FORMATS)}") from None
