"""How the energy counters are shared out among the sampler's threads."""

import pytest

from llmdvfs.records.telemetry import TelemetryDevice
from llmdvfs.telemetry.device import Cadence, Sample
from llmdvfs.telemetry.sampler_process import shared_out


class Counter:
    """A counter that nobody reads here."""

    cadence: Cadence = "counter"

    def __init__(self, index: int) -> None:
        self.device = TelemetryDevice(f"gpu{index}", "gpu", "Some GPU")

    def read(self) -> Sample:
        raise AssertionError("only shared out")


@pytest.mark.parametrize(
    ("num_counters", "interval_s", "num_by_thread"),
    [
        (8, 0.02, [4, 4]),  # four calls of 3.2 ms take 12.8 ms of the 20 ms; eight would take 25.6 ms
        (5, 0.02, [3, 2]),  # not four and one: the fewer wait for one another
        (8, 0.1, [8]),
        (8, 0.01, [2, 2, 2, 2]),
        (3, 0.001, [1, 1, 1]),  # shorter than a call: each on its own
        (0, 0.02, []),
    ],
)
def test_a_thread_reads_as_many_counters_as_fit_into_an_interval(
    num_counters: int, interval_s: float, num_by_thread: list[int]
) -> None:
    """A thread for each woke the sampler 800 times a second for eight GPUs; most of its CPU time was waking up."""
    counters = [Counter(index) for index in range(num_counters)]
    groups = shared_out(counters, interval_s)
    assert [len(group) for group in groups] == num_by_thread
    assert sorted(counter.device.device_id for group in groups for counter in group) == [
        counter.device.device_id for counter in counters
    ]
