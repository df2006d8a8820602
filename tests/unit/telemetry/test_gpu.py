"""The GPU probes, through the real pynvml, against fake GPUs."""

from collections.abc import Callable, Iterable

import pytest
from fakes.nvml import NOT_SUPPORTED, NS_PER_S, FakeNvml

from llmdvfs.telemetry.gpu import GpuCounterProbe, GpuLinkProbe, GpuStateProbe, describe_gpu
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu, num_gpus

MakeGpus = Callable[..., FakeNvml]


def state_probe(index: int = 0) -> GpuStateProbe:
    num_gpus()
    gpu = NvmlGpu(index)
    return GpuStateProbe(gpu, describe_gpu(gpu))


def test_reads_every_quantity_in_si_units(make_gpus: MakeGpus) -> None:
    fake = make_gpus(num_gpus=2)
    fake.set_power_trace(1, [0], [600.0])
    fake.set_property(1, "memory_used_bytes", 2e9)
    fake.set_property(1, "memory_power_w", 115.0)
    fake.set_field(1, 271, 1_500_000_000)  # hardware power brake, nanoseconds
    fake.set_virtual_time(10 * NS_PER_S)
    sample = state_probe(1).read()
    assert sample.errors == {}
    temperature_c = sample.values.pop("temperature_c")
    assert temperature_c is not None
    assert temperature_c == pytest.approx(28 + 0.06 * 600, abs=0.5)  # steady from the start: the trace begins at 0
    assert sample.values == {
        "power_instant_w": 600.0,
        "power_average_w": 600.0,
        "memory_power_w": 115.0,
        "memory_temperature_c": 40,
        "sw_power_cap_s": 0,
        "sw_thermal_s": 0,
        "hw_thermal_s": 0,
        "hw_power_brake_s": 1.5,
        "sm_clock_mhz": 1980,
        "memory_clock_mhz": 3201,
        "gpu_utilisation_fraction": 1.0,
        "memory_utilisation_fraction": 0.5,
        "memory_used_bytes": 2e9,
        "clock_event_reasons": 0,
        "power_limit_w": 700.0,
        "performance_state": 0,
    }


def test_describes_the_gpu(make_gpus: MakeGpus) -> None:
    make_gpus(num_gpus=2)
    device = state_probe(1).device
    assert (device.device_id, device.kind, device.name) == ("gpu1", "gpu", "Fake H200")
    assert (device.uuid, device.index) == ("GPU-fake-00000001", 1)
    assert device.details["power_limit_min_w"] == 200
    assert device.details["sm_clock_max_mhz"] == 1980
    assert device.details["mig_mode"] == 0


def test_a_gpu_that_does_not_measure_its_memory_apart_still_tells_its_own_power(make_gpus: MakeGpus) -> None:
    """Both are field 185: the refusal of the memory's scope says nothing about the whole GPU."""
    make_gpus().set_property(0, "memory_power_w", 0.0)  # the fake driver then refuses the scope
    sample = state_probe().read()
    assert "memory_power_w" not in sample.values
    assert sample.values["power_average_w"] is not None
    assert sample.errors == {}


def test_what_the_gpu_does_not_have_is_absent(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.set_field(0, 186, error=NOT_SUPPORTED)
    fake.deny(0, ["utilisation"], NOT_SUPPORTED)
    sample = state_probe().read()
    assert not {"power_instant_w", "gpu_utilisation_fraction", "memory_utilisation_fraction"} & set(sample.values)
    assert sample.errors == {}


def test_a_gpu_older_than_field_185_tells_its_average_power_by_the_old_call(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.set_power_trace(0, [0], [300.0])
    fake.set_virtual_time(5 * NS_PER_S)
    for field in (185, 186):
        fake.set_field(0, field, error=NOT_SUPPORTED)
    probe = state_probe()
    assert probe.has_power
    assert probe.read().values["power_average_w"] == 300.0


def test_what_fails_is_null_with_its_cause_and_the_rest_is_read(make_gpus: MakeGpus) -> None:
    """A field can be refused while the call succeeds; it must not become 0 W."""
    fake = make_gpus()
    probe = state_probe()
    fake.set_field(0, 186, error=4)
    fake.deny(0, ["temperature"])
    sample = probe.read()
    assert sample.values["power_instant_w"] is None
    assert "field 186: Insufficient Permissions (NVML error 4)" in sample.errors["power_instant_w"]
    assert sample.values["temperature_c"] is None
    assert "nvmlDeviceGetTemperature" in sample.errors["temperature_c"]
    assert sample.values["power_average_w"] == 75.0
    assert sample.lost is None


def test_a_lost_gpu_says_so(make_gpus: MakeGpus) -> None:
    fake = make_gpus(num_gpus=2)
    lost, other = state_probe(0), state_probe(1)
    fake.lose_gpu(0)
    sample = lost.read()
    assert set(sample.values.values()) == {None}
    assert set(sample.errors) == set(sample.values)
    assert "GPU is lost" in (sample.lost or "")
    assert other.read().lost is None


def test_the_counter_moves_in_steps_and_restarts_with_the_driver(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.set_sensor(0, "energy", period_s=0.1, window_s=0)
    fake.set_power_trace(0, [0], [500.0])
    num_gpus()
    gpu = NvmlGpu(0)
    counter = GpuCounterProbe(gpu, describe_gpu(gpu))
    seen = []
    for t_ms in (1000, 1050, 1099, 1100, 1350):
        fake.set_virtual_time(t_ms * 1_000_000)
        seen.append(counter.read().values["energy_j"])
    assert seen == [1500.0, 1500.0, 1500.0, 1550.0, 1650.0]
    fake.reload_driver()
    assert counter.read().values["energy_j"] == 0
    fake.advance(NS_PER_S)
    assert counter.read().values["energy_j"] == pytest.approx(500.0)


def test_a_gpu_without_a_counter_is_an_error(make_gpus: MakeGpus) -> None:
    make_gpus().deny(0, ["energy"], NOT_SUPPORTED)
    num_gpus()
    gpu = NvmlGpu(0)
    with pytest.raises(NvmlError) as caught:
        GpuCounterProbe(gpu, describe_gpu(gpu))
    assert caught.value.is_absent


def test_link_traffic(make_gpus: MakeGpus, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = make_gpus()
    fake.set_field(0, 138, 10)  # KiB
    fake.set_field(0, 197, 4_000)
    now_ns = 0
    monkeypatch.setattr("llmdvfs.telemetry.gpu.mono_ns", lambda: now_ns)
    num_gpus()
    gpu = NvmlGpu(0)
    links = GpuLinkProbe(gpu, describe_gpu(gpu))
    assert links.read().values == {"nvlink_tx_bytes": 10_240, "nvlink_rx_bytes": 0}  # no rate from one reading
    now_ns = NS_PER_S // 2
    fake.set_field(0, 197, 5_000)
    assert links.read().values["pcie_tx_bytes_per_s"] == 2_000
    now_ns = NS_PER_S
    fake.set_field(0, 197, 100)  # wrapped: nobody can say how much went by
    assert "pcie_tx_bytes_per_s" not in links.read().values
    fake.set_field(0, 197, error=4)
    sample = links.read()
    assert sample.values["pcie_tx_bytes_per_s"] is None
    assert "field 197" in sample.errors["pcie_tx_bytes_per_s"]


class Clock:
    """An instant that only the test moves."""

    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def num_quantities(clock: Clock, instants_ms: Iterable[int]) -> list[int]:
    num_gpus()
    gpu = NvmlGpu(0)
    probe = GpuStateProbe(gpu, describe_gpu(gpu), clock=clock)
    found = []
    for instant_ms in instants_ms:
        clock.now_ns = instant_ms * 1_000_000
        values = probe.read().values
        assert {"power_instant_w", "power_average_w", "sm_clock_mhz"} <= set(values)
        found.append(len(values))
    return found


def test_at_short_intervals_only_what_changes_fast_is_in_every_reading(make_gpus: MakeGpus) -> None:
    make_gpus()
    # all of them at 0, 80 and 160 ms
    assert num_quantities(Clock(), range(0, 200, 10)) == [17, *[3] * 7, 17, *[3] * 7, 17, *[3] * 3]


def test_at_the_default_interval_every_reading_is_whole(make_gpus: MakeGpus) -> None:
    make_gpus()
    assert num_quantities(Clock(), [0, 100, 195, 300]) == [17] * 4  # one woke up 95 ms after the one before
