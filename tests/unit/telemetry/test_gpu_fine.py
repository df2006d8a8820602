"""The driver's power samples and GPM, through the real pynvml, against fake GPUs."""

from collections.abc import Callable

import pytest
from fakes.nvml import NO_PERMISSION, NOT_SUPPORTED, NS_PER_S, FakeNvml

from llmdvfs.telemetry.discover import discover
from llmdvfs.telemetry.gpu import describe_gpu
from llmdvfs.telemetry.gpu_fine import GpuActivityProbe, GpuPowerSamplesProbe
from llmdvfs.telemetry.nvml import NvmlGpu, num_gpus

MakeGpus = Callable[..., FakeNvml]
MS = 1_000_000
WALL_OFFSET_NS = 1_000 * NS_PER_S


def samples_probe(
    fake: FakeNvml, wall_offset_ns: Callable[[], int] = lambda: WALL_OFFSET_NS, lookup_ns: int = 0
) -> GpuPowerSamplesProbe:
    """A probe that has begun; its clocks are the fake's virtual time, the wall clock `wall_offset_ns()` ahead of it."""
    num_gpus()
    gpu = NvmlGpu(0)
    ticks = iter(range(10**6))
    probe = GpuPowerSamplesProbe(
        gpu,
        describe_gpu(gpu),
        clock=lambda: fake.now_ns() + next(ticks) * lookup_ns,
        wall_clock=lambda: fake.now_ns() + wall_offset_ns(),
    )
    assert probe.read().stamped == ()
    return probe


def activity_probe(fake: FakeNvml) -> GpuActivityProbe:
    num_gpus()
    gpu = NvmlGpu(0)
    probe = GpuActivityProbe(gpu, describe_gpu(gpu), clock=fake.now_ns)
    assert probe.read().stamped == ()  # it has begun
    return probe


def gpus_with_samples_at_whole_20_ms(make_gpus: MakeGpus) -> FakeNvml:
    fake = make_gpus()
    fake.set_sensor(0, "power_sample", period_s=0.02, window_s=0.02)
    fake.set_property(0, "wall_offset_ns", WALL_OFFSET_NS)
    return fake


def test_each_power_sample_lies_at_the_drivers_own_instant(make_gpus: MakeGpus) -> None:
    """100 W until 1.03 s, 500 W after: the sample over 1.02 to 1.04 s says 300 W, whenever it is fetched."""
    fake = gpus_with_samples_at_whole_20_ms(make_gpus)
    fake.set_power_trace(0, [0, 1030 * MS], [100.0, 500.0])
    fake.set_virtual_time(1000 * MS)
    probe = samples_probe(fake)
    fake.set_virtual_time(1065 * MS)
    sample = probe.read()
    assert sample.values == {}
    instants_ms = [(reading.begin_mono_ns + reading.end_mono_ns) / 2 / MS for reading in sample.stamped]
    assert instants_ms == [1020.0, 1040.0, 1060.0]  # not those before the probe was made
    assert [reading.values for reading in sample.stamped] == [
        {"power_sample_w": 100.0},
        {"power_sample_w": 300.0},
        {"power_sample_w": 500.0},
    ]


def test_no_sample_is_fetched_twice_and_none_between_two_reads_is_an_answer_too(make_gpus: MakeGpus) -> None:
    fake = gpus_with_samples_at_whole_20_ms(make_gpus)
    fake.set_virtual_time(1000 * MS)
    probe = samples_probe(fake)
    fake.set_virtual_time(2000 * MS)
    assert len(probe.read().stamped) == 50
    fake.set_virtual_time(2019 * MS)
    nothing = probe.read()
    assert (nothing.values, nothing.stamped, nothing.lost) == ({}, (), None)
    fake.set_virtual_time(3000 * MS)
    assert len(probe.read().stamped) == 50


def test_the_error_of_a_stamp_is_that_of_looking_up_the_wall_clock(make_gpus: MakeGpus) -> None:
    """Looking it up takes 6 us, so its offset is known to 3 us; the driver's whole microseconds add half of one."""
    fake = gpus_with_samples_at_whole_20_ms(make_gpus)
    fake.set_virtual_time(1000 * MS)
    probe = samples_probe(fake, lookup_ns=6_000)
    probe._offset_ns = WALL_OFFSET_NS - 15_000  # what the lookup of the read below finds: its clock is at 12 to 18 us
    fake.set_virtual_time(1020 * MS)
    (reading,) = probe.read().stamped
    assert reading.end_mono_ns - reading.begin_mono_ns == 2 * 3_500


def test_a_wall_clock_that_was_set_makes_the_stamps_uncertain_by_as_much(make_gpus: MakeGpus) -> None:
    """Samples from before and after the step come in one fetch; nobody can tell which is which."""
    fake = gpus_with_samples_at_whole_20_ms(make_gpus)
    offset_ns = WALL_OFFSET_NS
    fake.set_virtual_time(1000 * MS)
    probe = samples_probe(fake, lambda: offset_ns)
    offset_ns += 40 * MS
    fake.set_virtual_time(1020 * MS)
    (stepped,) = probe.read().stamped
    assert stepped.begin_mono_ns <= 1020 * MS <= stepped.end_mono_ns
    assert stepped.end_mono_ns - stepped.begin_mono_ns == pytest.approx(80 * MS, abs=1000)
    fake.set_property(0, "wall_offset_ns", offset_ns)
    fake.set_virtual_time(1040 * MS)
    (settled,) = [reading for reading in probe.read().stamped if reading.begin_mono_ns > 1030 * MS]
    assert settled.end_mono_ns - settled.begin_mono_ns == 1000


def test_samples_that_cannot_be_fetched_are_null_with_the_cause(make_gpus: MakeGpus) -> None:
    fake = gpus_with_samples_at_whole_20_ms(make_gpus)
    probe = samples_probe(fake)
    fake.deny(0, ["samples"])
    sample = probe.read()
    assert sample.values == {"power_sample_w": None}
    assert "nvmlDeviceGetSamples" in sample.errors["power_sample_w"]
    fake.lose_gpu(0)
    assert probe.read().lost is not None


def test_activity_is_the_mean_over_the_time_that_the_reading_names(make_gpus: MakeGpus) -> None:
    """Busy for the first 50 of 200 ms, with 80 % of the SMs, 40 % of the tensor cores, 60 % of the DRAM: a quarter."""
    fake = make_gpus()
    fake.set_sensor(0, "gpm", period_s=0.1, window_s=0)
    fake.set_power_trace(0, [0, 1000 * MS, 1050 * MS], [75.0, 600.0, 75.0])
    fake.set_virtual_time(1000 * MS)
    probe = activity_probe(fake)
    fake.set_virtual_time(1200 * MS)
    (reading,) = probe.read().stamped
    assert (reading.begin_mono_ns, reading.end_mono_ns) == (1000 * MS, 1200 * MS)
    assert reading.values == pytest.approx(
        {"sm_active_fraction": 0.2, "tensor_active_fraction": 0.1, "dram_active_fraction": 0.15}
    )


def test_two_gpm_samples_are_never_so_near_that_the_driver_answers_zero(make_gpus: MakeGpus) -> None:
    """An H100 answers 0 and NaN, no error, within 100 ms: a full GPU would have looked idle after a late read."""
    fake = make_gpus()
    fake.set_power_trace(0, [0], [600.0])
    fake.set_virtual_time(1000 * MS)
    probe = activity_probe(fake)
    fake.set_virtual_time(1090 * MS)
    early = probe.read()
    assert (early.values, early.stamped) == ({}, ())
    fake.set_virtual_time(1290 * MS)
    (reading,) = probe.read().stamped
    assert reading.begin_mono_ns == 1000 * MS
    assert reading.values["sm_active_fraction"] == pytest.approx(0.8)


def test_nan_is_null_with_its_cause(make_gpus: MakeGpus) -> None:
    """The counters behind stand still for longer than they should."""
    fake = make_gpus()
    fake.set_sensor(0, "gpm", period_s=10.0, window_s=0)
    fake.set_virtual_time(1000 * MS)
    probe = activity_probe(fake)
    fake.set_virtual_time(1200 * MS)
    (reading,) = probe.read().stamped
    assert reading.values["tensor_active_fraction"] is None
    assert "NaN" in reading.errors["tensor_active_fraction"]


def absences(fake: FakeNvml) -> str:
    found = discover([0])
    assert "activity" not in {probe.cadence for probe in found.probes}
    return " ".join(found.absences)


def test_without_the_right_to_gpm_its_absence_says_what_to_do(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.deny(0, ["gpm"], NO_PERMISSION)
    assert "NVreg_RestrictProfilingToAdminUsers=0" in absences(fake)


def test_a_gpu_that_mig_divides_has_no_gpm_as_a_whole(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.set_property(0, "mig", 1)
    assert "MIG" in absences(fake)


def test_a_gpu_before_hopper_has_no_gpm(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.set_property(0, "gpm_supported", 0)
    assert "Hopper" in absences(fake)


def test_a_gpu_that_keeps_no_samples_is_measured_without_them(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.deny(0, ["samples"], NOT_SUPPORTED)
    found = discover([0])
    assert "samples" not in {probe.cadence for probe in found.probes}
    assert any("no power samples" in absence for absence in found.absences)
    assert found.energy_source == "nvml_counter"
