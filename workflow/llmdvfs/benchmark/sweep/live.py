"""Follows what sampler and load generator write, while they are writing it."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llmdvfs.clock import NS_PER_S
from llmdvfs.records.load import LoadProgress, parse_progress
from llmdvfs.records.telemetry import Reading
from llmdvfs.records.telemetry_line import parse_reading

Floats = npt.NDArray[np.float64]
KEPT_READINGS_NS = 10 * NS_PER_S  # what is judged is younger; eight GPUs with their counters give 500 readings/s
KEPT_PROGRESS_NS = 120 * NS_PER_S  # longer than a point may take to settle


class Tail:
    """Reads the whole lines that are added to a file, from its begin; there are none while there is no file."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0

    def new_lines(self) -> list[bytes]:
        """Return the lines since the last call; a line that is still being written waits for the next call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, end, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(end)
        return whole.split(b"\n") if whole else []


@dataclass(frozen=True, slots=True)
class Sensor:
    """Names one quantity of one device."""

    device_id: str
    quantity: str


class Live:
    """Holds the last ten seconds of readings of some devices, and two minutes of the client's progress."""

    def __init__(self, telemetry: Path, progress: Path, device_ids: Collection[str]) -> None:
        self._telemetry, self._progress = Tail(telemetry), Tail(progress)
        self._telemetry_has_header = False
        self._device_ids = frozenset(device_ids)
        self._readings: deque[Reading] = deque()
        self._lines: deque[LoadProgress] = deque()

    def update(self) -> None:
        """Take in the lines that were added to both files."""
        lines = self._telemetry.new_lines()
        if lines and not self._telemetry_has_header:
            self._telemetry_has_header = True
            del lines[0]
        readings = (parse_reading(line) for line in lines)
        self._readings.extend(reading for reading in readings if reading.device_id in self._device_ids)
        while self._readings and self._readings[-1].begin_mono_ns - self._readings[0].begin_mono_ns > KEPT_READINGS_NS:
            self._readings.popleft()
        self._lines.extend(parse_progress(line) for line in self._progress.new_lines())
        while len(self._lines) > 1 and self._lines[-1].at_mono_ns - self._lines[0].at_mono_ns > KEPT_PROGRESS_NS:
            self._lines.popleft()

    @property
    def progress(self) -> LoadProgress | None:
        """Return the client's newest report; None before the load has begun."""
        return self._lines[-1] if self._lines else None

    def covers(self, instant_mono_ns: int) -> bool:
        """Return whether both the sampler and the client have told of a later instant than this one."""
        progress = self.progress
        has_readings = bool(self._readings) and self._readings[-1].begin_mono_ns > instant_mono_ns
        return has_readings and progress is not None and progress.at_mono_ns > instant_mono_ns

    def sensors(self, quantities: Collection[str]) -> list[Sensor]:
        """Return those sensors of the devices that have told any of these quantities."""
        found = {
            Sensor(reading.device_id, quantity)
            for reading in self._readings
            for quantity in quantities
            if reading.values.get(quantity) is not None
        }
        return sorted(found, key=lambda sensor: (sensor.device_id, sensor.quantity))

    def values(self, sensor: Sensor, begin_mono_ns: int, end_mono_ns: int) -> Floats:
        """Return what a sensor showed in a span [mono ns], in the order of reading."""
        return np.array(
            [
                value
                for reading in self._readings
                if reading.device_id == sensor.device_id and begin_mono_ns <= reading.begin_mono_ns <= end_mono_ns
                if (value := reading.values.get(sensor.quantity)) is not None
            ]
        )

    def read_rates_per_s(self, begin_mono_ns: int, end_mono_ns: int, num_bins: int) -> Floats | None:
        """Return the rate of the client's reads in each of `num_bins` equal parts of a span.

        None where its reports do not cover the span.
        """
        at = np.array([line.at_mono_ns for line in self._lines], dtype=np.float64)
        if at.size < 2 or at[0] > begin_mono_ns or at[-1] < end_mono_ns:
            return None
        edges = np.linspace(begin_mono_ns, end_mono_ns, num_bins + 1)
        reads = np.interp(edges, at, np.array([line.num_reads for line in self._lines], dtype=np.float64))
        return np.asarray(np.diff(reads) / (np.diff(edges) / NS_PER_S))
