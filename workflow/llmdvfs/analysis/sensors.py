"""What a sensor said when, and what the run's own data tell about it: its update period and its step.

A GPU's sensors are refreshed about every 100 ms, whoever reads them: between two refreshes a reading repeats the old
value. What carries information is the instant at which the value changed (docs/energy.md#sensors).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmdvfs.clock import NS_PER_S
from llmdvfs.records.readings import DeviceReadings, Ints
from llmdvfs.records.result import SensorTraits

Floats = npt.NDArray[np.float64]

MAX_POLLS_PER_UPDATE_OF_A_LIVE_SENSOR = 1.5  # below it nearly every poll sees a new value: it is as old as the poll
MIN_UPDATES = 3  # fewer say nothing about a period
BEAT_TOLERANCE_S = 1e-3  # by which a refresh may miss the beat; an H200's miss it by less than 0.2 ms
MIN_EXPLAINED_FRACTION = 0.9  # of the changes must be within it, else the sensor has no beat
BEAT_ITERATIONS = 50  # enough for bounds of 20 ms to settle within the tolerance


@dataclass(frozen=True, slots=True)
class Series:
    """The readings of one quantity of one device, sorted by time.

    `t_s` is the middle of each read, in seconds since the cell's start.
    """

    t_s: Floats
    value: Floats

    def __len__(self) -> int:
        return len(self.t_s)

    def between(self, begin_s: float, end_s: float) -> Floats:
        """Return the values read in [begin, end]."""
        return self.value[(self.t_s >= begin_s) & (self.t_s <= end_s)]


def device_series(readings: DeviceReadings, quantity: str, started_mono_ns: int) -> Series:
    """Return what a device's readings say of one quantity, in its own unit; an empty series where it was never read.

    A reading stands at the middle of its call, in seconds since started_mono_ns. Failed readings are left out.
    """
    column = readings.column(quantity)
    told = ~np.isnan(column.value)
    value, row = column.value[told], column.row[told]
    t_s = middles_s(readings.begin_mono_ns[row], readings.end_mono_ns[row], started_mono_ns)
    order = np.lexsort((value, t_s))
    return Series(t_s[order], value[order])


def middles_s(begin_mono_ns: Ints, end_mono_ns: Ints, started_mono_ns: int) -> Floats:
    """Return the middle of each reading [s since started_mono_ns]."""
    found: Floats = ((begin_mono_ns - started_mono_ns) + (end_mono_ns - started_mono_ns)) / 2 / NS_PER_S
    return found


def change_instants(series: Series) -> tuple[Floats, Floats]:
    """Return the instants [s] at which the sensor took a new value, and those values: two arrays of one length.

    A stepping sensor changed somewhere between two polls. Where one regular beat explains all changes (as it does on
    an H200, to 0.2 ms), the beat is returned, else the middle between the polls. A sensor that is refreshed faster than
    it is polled shows a new value at every poll, valid at the poll itself.
    """
    changed = np.flatnonzero(np.diff(series.value) != 0) + 1
    if _is_live(series, changed):
        seen = np.concatenate(([0], changed))
        return series.t_s[seen], series.value[seen]
    earliest_s, latest_s = series.t_s[changed - 1], series.t_s[changed]
    return _on_a_beat(earliest_s, latest_s), series.value[changed]


def _on_a_beat(earliest_s: Floats, latest_s: Floats) -> Floats:
    """Return instants within the bounds: on a regular beat where one fits, else in the middle."""
    middle_s = (earliest_s + latest_s) / 2
    if len(middle_s) < MIN_UPDATES:
        return middle_s
    steps = np.diff(middle_s)
    number = np.concatenate(([0.0], np.cumsum(np.round(steps / np.median(steps)))))
    within_s = middle_s
    for _ in range(BEAT_ITERATIONS):  # alternating projections onto the straight lines and onto the bounds
        period_s, first_s = np.polyfit(number, within_s, 1)
        beat_s = first_s + period_s * number
        within_s = np.clip(beat_s, earliest_s, latest_s)
    explained = np.mean(np.abs(beat_s - within_s) <= BEAT_TOLERANCE_S)
    return within_s if explained >= MIN_EXPLAINED_FRACTION else middle_s


def sensor_traits(series: Series) -> SensorTraits | None:
    """Return the sensor's update period [s] and its step [the quantity's unit], both medians, found from its readings.

    None: it changed fewer than MIN_UPDATES times, which says nothing about a period.
    """
    changed = np.flatnonzero(np.diff(series.value) != 0) + 1
    if len(changed) < MIN_UPDATES:
        return None
    instants = (series.t_s[changed] + series.t_s[changed - 1]) / 2
    period_s = float(np.median(np.diff(instants)))
    return SensorTraits(
        update_period_s=period_s,
        step=float(np.median(np.abs(np.diff(series.value)[changed - 1]))),
        num_updates=len(changed),
        poll_interval_s=float(np.median(np.diff(series.t_s))),
    )


def _is_live(series: Series, changed: npt.NDArray[np.intp]) -> bool:
    polls = max(len(series) - 1, 0)
    return len(changed) >= MIN_UPDATES and polls <= MAX_POLLS_PER_UPDATE_OF_A_LIVE_SENSOR * len(changed)
