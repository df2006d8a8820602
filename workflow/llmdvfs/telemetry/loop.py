"""Reads probes at absolute deadlines and counts what it missed."""

import threading
from collections.abc import Callable, Collection, Sequence

from llmdvfs.clock import NS_PER_S, mono_ns
from llmdvfs.errors import TelemetryError
from llmdvfs.records.telemetry import Reading
from llmdvfs.telemetry.device import Probe


class SlotLoop:
    """Reads its probes once in every slot of a schedule; slot k begins at start + k x interval, whatever happened."""

    def __init__(
        self,
        probes: Sequence[Probe],
        interval_s: float,
        clock: Callable[[], int] = mono_ns,
        *,
        dispensable: Collection[str] = (),
    ) -> None:
        """Take what to read and how often.

        dispensable: ids of devices whose loss does not end the loop.
        """
        self.probes = list(probes)
        self.interval_s = interval_s
        self._clock = clock
        self._dispensable = dispensable
        self.lost: dict[str, str] = {}
        """Dispensable devices that were lost, and why; they are not read again."""
        self.num_slots = 0
        self.num_readings = 0
        self.lateness_s: list[float] = []
        """Of the first read's beginning after its slot's, for every slot that was not missed."""

    @property
    def num_missed_slots(self) -> int:
        """Return the number of slots in which no read began, because the one before or the machine was too slow."""
        return self.num_slots - len(self.lateness_s)

    def run(self, stop: threading.Event, append: Callable[[list[Reading]], None]) -> None:
        """Read until `stop` is set; TelemetryError where a device is lost, after its last reading was appended.

        A dispensable device that is lost is only left out from then on.
        """
        interval_ns = round(self.interval_s * NS_PER_S)
        start_ns = self._clock()
        slot = 0
        while not stop.is_set():
            deadline_ns = start_ns + slot * interval_ns
            wait_s = (deadline_ns - self._clock()) / NS_PER_S
            if wait_s > 0 and stop.wait(wait_s):
                return
            late_ns = self._clock() - deadline_ns
            missed = late_ns // interval_ns
            slot += missed  # their time is over: this read belongs to the slot that it begins in
            self.num_slots += missed + 1
            self.lateness_s.append((late_ns - missed * interval_ns) / NS_PER_S)
            self._read_all(append)
            slot += 1

    def _read_all(self, append: Callable[[list[Reading]], None]) -> None:
        readings: list[Reading] = []
        losses: list[str] = []
        for probe in self.probes:
            begin_ns = self._clock()
            sample = probe.read()
            device_id = probe.device.device_id
            readings += sample.stamped
            if sample.values or sample.lost:
                readings.append(Reading(device_id, begin_ns, self._clock(), sample.values, sample.errors))
            if sample.lost and device_id in self._dispensable:
                self.lost[device_id] = sample.lost
            elif sample.lost:
                losses.append(f"{device_id} ({probe.device.uuid or probe.device.name}) is lost: {sample.lost}")
        append(readings)
        self.num_readings += len(readings)
        self.probes = [probe for probe in self.probes if probe.device.device_id not in self.lost]
        if losses:
            raise TelemetryError("; ".join(losses))
