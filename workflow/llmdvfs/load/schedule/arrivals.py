"""When each request is to be sent, drawn before the run from a seeded generator."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice, repeat, takewhile
from math import sqrt
from pathlib import Path
from random import Random

from llmdvfs.errors import ConfigError
from llmdvfs.load.schedule.traces import TraceRow, cut_trace, read_trace
from llmdvfs.records.spec import WorkloadSpec


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request of the schedule; offset None: as soon as a place is free (closed loop and waves)."""

    offset_s: float | None = None
    wave: int | None = None
    row: TraceRow | None = None
    """What a trace says of it."""


def draw_arrivals(workload: WorkloadSpec, seed: int) -> Iterator[Arrival]:
    """Yield the schedule up to `num_requests` and `duration_s`; a closed loop by duration alone never ends."""
    if (
        workload.num_requests is None
        and workload.duration_s is None
        and workload.arrival.kind not in ("waves", "trace")
    ):
        raise ConfigError(
            f"workload {workload.id!r}: arrival kind {workload.arrival.kind!r} has no end of its own; "
            "set num_requests or duration_s"
        )
    arrivals = _KINDS[workload.arrival.kind](workload, Random(f"arrivals/{seed}"))
    limit_s = workload.duration_s
    if limit_s is not None:
        arrivals = takewhile(lambda arrival: arrival.offset_s is None or arrival.offset_s < limit_s, arrivals)
    return islice(arrivals, workload.num_requests)


def _closed(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    return repeat(Arrival())


def _waves(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    sizes = workload.arrival.wave_sizes
    if not sizes:
        raise ConfigError(f"workload {workload.id!r}: arrival kind 'waves' needs wave_sizes, e.g. [8, 16, 32]")
    return (Arrival(wave=wave) for wave, size in enumerate(sizes) for _ in range(size))


def _gamma(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    rate_rps = _needed(workload, "rate_rps")
    shape = _needed(workload, "burstiness") if workload.arrival.kind == "gamma" else 1.0
    return _from_gaps(lambda: rng.gammavariate(shape, 1 / (rate_rps * shape)))


def _constant(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    rate_rps = _needed(workload, "rate_rps")
    return (Arrival(offset_s=index / rate_rps) for index in count())  # from the index: no rounding adds up


def _ramp(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    """Yield Poisson arrivals whose rate goes linearly from r0 to r1 within the duration D.

    Unit-rate arrivals are mapped through the inverse of r0 t + (r1 - r0) t^2 / (2 D), the number expected until t.
    """
    begin_rps, end_rps = _needed(workload, "rate_rps"), _needed(workload, "end_rate_rps")
    if workload.duration_s is None:
        raise ConfigError(f"workload {workload.id!r}: arrival kind 'ramp' needs duration_s, the time of the ramp")
    slope = (end_rps - begin_rps) / workload.duration_s
    expected = 0.0
    while True:
        expected += rng.expovariate(1.0)
        square = begin_rps**2 + 2 * slope * expected
        if square < 0:  # a falling ramp reaches rate 0 before so many arrivals
            return
        yield Arrival(offset_s=2 * expected / (begin_rps + sqrt(square)))


def _trace(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    spec = workload.arrival
    if spec.trace_path is None or spec.trace_format is None:
        raise ConfigError(f"workload {workload.id!r}: arrival kind 'trace' needs trace_path and trace_format")
    rows = read_trace(Path(spec.trace_path), spec.trace_format)
    cut = cut_trace(rows, start_s=spec.window_start_s, length_s=spec.window_s, speedup=spec.speedup)
    if not cut:
        raise ConfigError(
            f"workload {workload.id!r}: no request of {spec.trace_path} lies in the window that starts at "
            f"{spec.window_start_s} s and lasts {spec.window_s} s; the trace ends at {rows[-1].t_s:.1f} s"
        )
    return (Arrival(offset_s=row.t_s, row=row) for row in cut)


def _from_gaps(draw_gap_s: Callable[[], float]) -> Iterator[Arrival]:
    offset_s = 0.0
    while True:
        offset_s += draw_gap_s()
        yield Arrival(offset_s=offset_s)


def _needed(workload: WorkloadSpec, name: str) -> float:
    value = getattr(workload.arrival, name)
    if value is None or value <= 0:
        raise ConfigError(
            f"workload {workload.id!r}: arrival kind {workload.arrival.kind!r} needs {name} above 0; seen {value}"
        )
    return float(value)


_KINDS: dict[str, Callable[[WorkloadSpec, Random], Iterator[Arrival]]] = {
    "closed": _closed,
    "waves": _waves,
    "poisson": _gamma,
    "gamma": _gamma,
    "constant": _constant,
    "ramp": _ramp,
    "trace": _trace,
}
