"""Plays a recorded telemetry file as if its devices were here."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from llmdvfs.clock import mono_ns
from llmdvfs.errors import TelemetryGap
from llmdvfs.records.telemetry import EnergySource, Reading, TelemetryDevice
from llmdvfs.records.telemetry_file import read_telemetry
from llmdvfs.telemetry.device import Cadence, Sample

STAMPED: tuple[Cadence, ...] = ("activity", "samples")


class ReplayProbe:
    """Plays one kind of reading of one recorded device, at the pace at which it was recorded."""

    def __init__(
        self,
        device: TelemetryDevice,
        readings: list[Reading],
        cadence: Cadence,
        begin_mono_ns: int,
        clock: Callable[[], int],
    ) -> None:
        """Start the play: the recording's instant `begin_mono_ns` is now."""
        self.device = device
        self.cadence = cadence
        self._readings = readings
        self._instants = [reading.end_mono_ns for reading in readings]
        self._clock = clock
        self._shift_ns = clock() - begin_mono_ns
        self._num_played = 0

    def read(self) -> Sample:
        """Return the last reading that the recording has before this moment.

        Of streams whose readings have instants of their own, all that lie between the read before and this one.
        """
        position = bisect_right(self._instants, self._clock() - self._shift_ns)
        if self.cadence in STAMPED:
            played, self._num_played = self._readings[self._num_played : position], position
            return Sample({}, stamped=tuple(self._shifted(reading) for reading in played))
        if position == len(self._instants):
            return Sample({}, lost="the recording is at its end")
        reading = self._readings[max(position - 1, 0)]
        return Sample(dict(reading.values), dict(reading.errors))

    def _shifted(self, reading: Reading) -> Reading:
        begin_ns, end_ns = reading.begin_mono_ns + self._shift_ns, reading.end_mono_ns + self._shift_ns
        return replace(reading, begin_mono_ns=begin_ns, end_mono_ns=end_ns)


def replay_probes(path: Path, clock: Callable[[], int] = mono_ns) -> tuple[tuple[ReplayProbe, ...], EnergySource]:
    """Return the probes that play a recorded file from its beginning, and its energy source.

    TelemetryGap where it has no readings.
    """
    header, readings = read_telemetry(path)
    if not readings:
        raise TelemetryGap(f"{path} has no readings; there is nothing to replay")
    groups: dict[tuple[str, Cadence], list[Reading]] = {}
    for reading in readings:
        groups.setdefault((reading.device_id, _cadence(reading)), []).append(reading)
    devices = {device.device_id: device for device in header.devices}
    begin = readings[0].begin_mono_ns
    probes = (ReplayProbe(devices[id_], group, cadence, begin, clock) for (id_, cadence), group in groups.items())
    return tuple(probes), header.energy_source


def _cadence(reading: Reading) -> Cadence:
    """Return which probe made a reading: the quantities of different probes do not overlap."""
    if set(reading.values) == {"energy_j"}:
        return "counter"
    if set(reading.values) == {"power_sample_w"}:
        return "samples"
    if "sm_active_fraction" in reading.values:
        return "activity"
    is_slow = all(quantity.startswith(("nvlink_", "pcie_", "cpu_", "host_")) for quantity in reading.values)
    return "slow" if is_slow else "state"
