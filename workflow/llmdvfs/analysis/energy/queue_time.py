"""How long requests that met an idle engine waited before their prefill ran, told by the energy readings.

From outside such a prefill begins when its request is sent; but while the server reads and queues it, the GPU idles.
Told as prefill, 3 ms of that cost several percent of a short prefill's energy (docs/energy.md#error). Where the engine
tells how long its own part took, it is taken from there (analysis/engine_wait.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmdvfs.analysis.axis.occupancy import Level, Occupancy
from llmdvfs.analysis.energy.curve import Incremental
from llmdvfs.analysis.energy.increment_blocks import in_blocks
from llmdvfs.analysis.energy.phase_increments import phase_increments
from llmdvfs.analysis.sensors import Floats
from llmdvfs.records.phases import EngineWait

QUEUES_S = (*(1e-3 * np.arange(0, 12, 0.5)), *(1e-3 * np.arange(12, 62, 2.0)))
MOSTLY = 0.9  # of the prefills: then the mean over all requests is that of those that met an idle engine
MIN_BEGINS = 10  # fewer prefills out of idle times say nothing about a mean
TOLD = 9.0  # noise variances that a queue must explain: three standard deviations
HIGHEST = 1.65  # of the power at rest: what an H100 still draws just after its last kernel (docs/energy.md#waiting)
ALIKE = 4.0  # two of them: queues that could as well be


@dataclass(frozen=True, slots=True)
class QueueTime:
    """The mean time in the queue, and the range of times that explain the readings as well."""

    best_s: float = 0.0
    low_s: float = 0.0
    high_s: float = 0.0
    reason: str | None = None
    """Why it cannot be told; None: it can be."""


def queue_time(
    curves: Sequence[Incremental],
    occupancy: Occupancy,
    levels: tuple[Level, ...],
    window_s: tuple[float, float],
    later_s: Sequence[float],
    lags_s: Floats,
    min_total_s: float,
    idle_power_w: float | None = None,
    told: EngineWait | None = None,
) -> QueueTime:
    """Return the time in the queue with which the levels explain the increments best; 0 where none is seen.

    lags_s: candidate lags, around the one that was found without a queue. min_total_s: where all queueing together
    lasted less than this, it is too little to be a phase and only widens the interval. later_s: by how much each device
    trails the first one. idle_power_w: of one device at rest; a queue in which devices would draw much more than that
    is none: where requests follow each other at once nothing else says what they draw in it. None: not measured. told:
    how long all requests were on their way, by the engine's clock; None: it does not tell.
    """
    begins = sum(occupancy.num_begins_out_of_idle(*window_s) for _ in curves)
    if begins < MIN_BEGINS:
        return QueueTime()
    num_prefills = sum(occupancy.num_begins(phase, *window_s) for phase in ("prefill", "mixed") for _ in curves)
    if told is not None and begins >= MOSTLY * num_prefills:
        return QueueTime(told.mean_s, told.low_s, told.high_s)
    misfits, count = [], 1
    for queue_s in QUEUES_S:
        rows = phase_increments(curves, occupancy.with_queue(queue_s), levels, window_s, later_s)
        sums = in_blocks(rows, np.zeros(len(rows.energy_j), dtype=np.int64)).sums_over(lags_s)
        powers_w, explained = sums.profile()
        at = int(explained.argmax())
        misfits.append(sums.total - float(explained[at]))
        if queue_s > 0 and idle_power_w is not None and _queue_power_w(levels, powers_w[at]) > HIGHEST * idle_power_w:
            misfits[-1] = np.inf
        count = max(len(rows.energy_j) - len(levels), 1)
    misfit = np.array(misfits)
    best = int(misfit.argmin())
    noise = max(float(misfit[best]), 0.0) / count
    alike = [q for q, m in zip(QUEUES_S, misfit, strict=True) if m <= misfit[best] + ALIKE * noise]
    if best == len(QUEUES_S) - 1:
        return QueueTime(reason=f"not identifiable: requests seem to queue for more than {1e3 * QUEUES_S[-1]:.0f} ms")
    if misfit[0] <= misfit[best] + TOLD * noise:
        return QueueTime(0.0, 0.0, float(max(alike)))
    best_s = float(QUEUES_S[best])
    if best_s * begins < min_total_s:
        return QueueTime(0.0, 0.0, max(2 * best_s, float(max(alike))))
    # Queues differ from request to request: the error of their mean is taken to be as large as the mean itself.
    return QueueTime(best_s, 0.0, max(2 * best_s, float(max(alike))))


def _queue_power_w(levels: tuple[Level, ...], powers_w: Floats) -> float:
    """Return the power that the levels which hold the queue give it; 0 where none does."""
    return max((float(w) for level, w in zip(levels, powers_w, strict=True) if level.holds_queue), default=0.0)
