"""`trace`: the recorded instants of a trace, or of a window of it, at their real speed or faster."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from llmdvfs.arrivals.kind import Arrival, ArrivalKind
from llmdvfs.errors import ConfigError
from llmdvfs.inputs.traces.reader import read_window
from llmdvfs.records.spec import WorkloadSpec


def _draw(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    spec = workload.arrival
    if spec.trace_path is None or spec.trace_format is None:
        raise ConfigError(f"workload {workload.id!r}: arrival kind 'trace' needs trace_path and trace_format")
    rows = read_window(Path(spec.trace_path), spec.trace_format, start_s=spec.window_start_s, length_s=spec.window_s)
    return (Arrival(offset_s=(row.t_s - spec.window_start_s) / spec.speedup, row=row) for row in rows)


TRACE = ArrivalKind(
    "trace",
    "recorded arrivals",
    needs=("trace_path", "trace_format"),
    options=("speedup", "window_start_s", "window_s"),
    draw=_draw,
    ends_by_itself=True,
)
