"""The loop's slots, on a clock that only the test moves."""

import threading

import pytest

from llmdvfs.errors import TelemetryError
from llmdvfs.records.telemetry import Reading, TelemetryDevice
from llmdvfs.telemetry.device import Cadence, Sample
from llmdvfs.telemetry.loop import SlotLoop

MS = 1_000_000


class Clock(threading.Event):
    """Time that passes while somebody waits for this event; it is set at `end_ms`."""

    def __init__(self, end_ms: int) -> None:
        super().__init__()
        self.now_ns = 7 * MS
        self.end_ns = self.now_ns + end_ms * MS

    def __call__(self) -> int:
        return self.now_ns

    def is_set(self) -> bool:
        return self.now_ns >= self.end_ns

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now_ns += round(timeout * 1e9)
        return self.is_set()


class SlowProbe:
    """Takes so many milliseconds a read, in turn, and then none."""

    cadence: Cadence = "state"
    device = TelemetryDevice("gpu0", "gpu", "Some GPU", uuid="GPU-1")

    def __init__(self, clock: Clock, costs_ms: list[int], lost_after: int | None = None) -> None:
        self._clock = clock
        self._costs_ms = costs_ms
        self._lost_after = lost_after
        self.num_reads = 0

    def read(self) -> Sample:
        self.num_reads += 1
        self._clock.now_ns += (self._costs_ms.pop(0) if self._costs_ms else 0) * MS
        if self.num_reads == self._lost_after:
            return Sample({"power_instant_w": None}, {"power_instant_w": "gone"}, lost="fell off the bus")
        return Sample({"power_instant_w": 1.0})


def run(costs_ms: list[int]) -> tuple[SlotLoop, list[Reading]]:
    clock = Clock(end_ms=60)
    loop = SlotLoop([SlowProbe(clock, costs_ms)], interval_s=0.01, clock=clock)
    readings: list[Reading] = []
    loop.run(clock, readings.extend)
    return loop, readings


def begins_ms(readings: list[Reading]) -> list[int]:
    return [(reading.begin_mono_ns - 7 * MS) // MS for reading in readings]


def test_deadlines_are_absolute() -> None:
    """A read of 4 ms does not move the next slot to 14 ms."""
    loop, readings = run([4] * 6)
    assert begins_ms(readings) == [0, 10, 20, 30, 40, 50]
    assert all(reading.end_mono_ns - reading.begin_mono_ns == 4 * MS for reading in readings)
    assert (loop.num_slots, loop.num_missed_slots) == (6, 0)
    assert loop.lateness_s == [0.0] * 6


def test_a_read_that_outlasts_its_slot_makes_the_next_one_late() -> None:
    loop, readings = run([13])
    assert begins_ms(readings) == [0, 13, 20, 30, 40, 50]
    assert loop.num_missed_slots == 0
    assert loop.lateness_s[1] == pytest.approx(0.003)


def test_slots_in_which_no_read_began_are_missed_and_not_made_up_for() -> None:
    loop, readings = run([34])  # over slots 1 and 2; the next read begins in slot 3
    assert begins_ms(readings) == [0, 34, 40, 50]
    assert (loop.num_slots, loop.num_missed_slots) == (6, 2)
    assert loop.lateness_s[1] == pytest.approx(0.004)


def test_a_lost_device_ends_the_loop_after_its_last_reading() -> None:
    clock = Clock(end_ms=1000)
    loop = SlotLoop([SlowProbe(clock, [], lost_after=3)], interval_s=0.01, clock=clock)
    readings: list[Reading] = []
    with pytest.raises(TelemetryError, match=r"gpu0 \(GPU-1\) is lost: fell off the bus"):
        loop.run(clock, readings.extend)
    assert len(readings) == loop.num_readings == 3
    assert readings[-1].errors == {"power_instant_w": "gone"}


def test_a_dispensable_device_that_is_lost_is_left_out_and_told() -> None:
    """A GPU that served nobody fell off the bus, and took a cell with it that did not need it."""
    clock = Clock(end_ms=60)
    lost, other = SlowProbe(clock, [], lost_after=3), SlowProbe(clock, [])
    other.device = TelemetryDevice("gpu1", "gpu", "Some GPU")
    loop = SlotLoop([lost, other], interval_s=0.01, clock=clock, dispensable={"gpu0"})
    loop.run(clock, lambda _: None)
    assert (lost.num_reads, other.num_reads) == (3, 6)
    assert loop.lost == {"gpu0": "fell off the bus"}
