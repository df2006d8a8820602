"""One step of a sweep at a held point: settle, measure a window, wait for the window's requests."""

from dataclasses import dataclass
from pathlib import Path

from llmdvfs.benchmark.sweep.precision import Precision
from llmdvfs.benchmark.sweep.settling import MAX_SETTLE_S, Settled, look
from llmdvfs.benchmark.sweep.under_way import UnderWay
from llmdvfs.clock import NS_PER_S, mono_ns
from llmdvfs.errors import ServerDied
from llmdvfs.records import raw
from llmdvfs.records.spec import WorkloadSpec
from llmdvfs.records.store import write_record
from llmdvfs.telemetry.clocks import HeldPoint

LOOK_INTERVAL_NS = NS_PER_S // 4
MAX_HOLD_S = 60.0  # for the requests of the window; where they take longer, latencies lack the slowest


@dataclass(frozen=True, slots=True)
class Step:
    """The instants of one step, and how it had settled; requests and readings are in the sweep's recording."""

    entered_mono_ns: int
    settled: Settled
    window_mono_ns: tuple[int, int]
    has_held_all: bool


def measure_step(
    under_way: UnderWay,
    held: HeldPoint,
    workload: WorkloadSpec,
    entered_mono_ns: int,
    settled: Settled,
    folder: Path,
    half_width_fraction: float | None = None,
) -> Step:
    """Measure a window at a point that has settled; raises what ended it early.

    folder: takes the servers' counters at the window's two edges. half_width_fraction: the window ends once half the
    interval of its energy per token is within this fraction; at the workload's duration at the latest.
    """
    num_ok, num_ended = under_way.progress.num_ok, under_way.progress.num_ended
    write_record(folder / raw.METRICS_BEFORE, under_way.deployment.scrape_metrics())
    window = _window(under_way, held, workload, half_width_fraction)
    write_record(folder / raw.METRICS_AFTER, under_way.deployment.scrape_metrics())
    has_held_all = _hold(under_way, held, window[1])
    progress = under_way.progress
    if progress.num_ended > num_ended and progress.num_ok == num_ok:
        raise ServerDied(f"none of {progress.num_ended - num_ended} requests succeeded; see journal.bin")
    return Step(entered_mono_ns, settled, window, has_held_all)


def settle(under_way: UnderWay, held: HeldPoint, entered_mono_ns: int) -> Settled:
    """Wait until all is level, or until the limit, and return what was seen last."""
    next_look = entered_mono_ns
    while True:
        under_way.wait(held)
        now = mono_ns()
        if now < next_look:
            continue
        next_look = now + LOOK_INTERVAL_NS
        found = look(under_way.live, entered_mono_ns, now)
        if found.is_level or now - entered_mono_ns > MAX_SETTLE_S * NS_PER_S:
            return found


def _window(
    under_way: UnderWay, held: HeldPoint, workload: WorkloadSpec, half_width_fraction: float | None
) -> tuple[int, int]:
    """Return begin and end of a window of duration_s, which goes on for min_requests up to max_duration_s.

    It ends before that once its energy per token is known to half_width_fraction, where every stream has begun a new
    request meanwhile: blocks of one stage of the answers would agree, and be wrong.
    """
    begin, num_sent = mono_ns(), under_way.progress.num_sent
    precision = Precision(begin)
    while True:
        under_way.wait(held)
        now = mono_ns()
        num_new = under_way.progress.num_sent - num_sent
        is_enough = num_new >= (workload.min_requests or 0)
        if half_width_fraction is not None:
            precision.take(under_way.live)
            all_begun = is_enough and num_new >= under_way.progress.peak_in_flight
            if all_begun and (half_width := precision.half_width) is not None and half_width <= half_width_fraction:
                return begin, now
        limit_s = workload.duration_s if is_enough else workload.max_duration_s
        if limit_s is not None and now - begin >= limit_s * NS_PER_S:
            return begin, now


def _hold(under_way: UnderWay, held: HeldPoint, end_mono_ns: int) -> bool:
    """Wait until all requests scheduled up to an instant have ended and are in the journal; False at the limit."""
    num_awaited: int | None = None
    while mono_ns() - end_mono_ns < MAX_HOLD_S * NS_PER_S:
        under_way.wait(held)
        progress = under_way.progress
        if progress.at_mono_ns <= end_mono_ns:
            continue
        if num_awaited is None and (progress.oldest_mono_ns is None or progress.oldest_mono_ns > end_mono_ns):
            num_awaited = progress.num_ended
        if num_awaited is not None and progress.num_written >= num_awaited:
            return True
    return False
