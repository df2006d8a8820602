"""The fake GPUs themselves: estimators are judged against them, so what they say must be right."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pynvml
import pytest
from fakes.nvml import NO_PERMISSION, NS_PER_S, FakeNvml

MS = 1_000_000
MakeGpus = Callable[..., FakeNvml]


def handle(index: int = 0):  # type: ignore[no-untyped-def]
    pynvml.nvmlInit()
    return pynvml.nvmlDeviceGetHandleByIndex(index)


def test_true_energy_is_the_integral_of_the_trace(make_gpus: MakeGpus) -> None:
    fake = make_gpus(num_gpus=2)
    fake.set_power_trace(0, [1 * NS_PER_S, 2 * NS_PER_S, 4 * NS_PER_S], [690.0, 400.0, 75.0])
    assert fake.true_energy_j(0, 0, NS_PER_S) == pytest.approx(75.0)  # idle before the trace
    assert fake.true_energy_j(0, NS_PER_S, 4 * NS_PER_S) == pytest.approx(690 + 2 * 400)
    assert fake.true_energy_j(0, 1_500 * MS, 2_500 * MS) == pytest.approx(345 + 200)
    assert fake.true_energy_j(0, 4 * NS_PER_S, 14 * NS_PER_S) == pytest.approx(750)  # the last power holds
    assert fake.true_energy_j(1, 0, 10 * NS_PER_S) == pytest.approx(750)  # the other GPU idles


def test_sensors_show_the_mean_over_their_window_at_their_last_update(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.set_power_trace(0, [1 * NS_PER_S, 2 * NS_PER_S], [500.0, 100.0])
    fake.set_sensor(0, "power_average", period_s=0.1, window_s=1.0)
    fake.set_sensor(0, "power_instant", period_s=0.1, window_s=0.025)
    fake.set_sensor(0, "energy", period_s=0.1, window_s=0)
    t_ns = np.array([1_999, 2_010, 2_099, 2_100, 2_550]) * MS
    # averages at 1.9, 2.0, 2.0, 2.1 and 2.5 s over the second before each: 75 W up to 1 s, then 500 W, then 100 W
    expected = [0.1 * 75 + 0.9 * 500, 500, 500, 0.9 * 500 + 0.1 * 100, 0.5 * 500 + 0.5 * 100]
    assert fake.poll(0, "power_average", t_ns) == pytest.approx(expected)
    assert fake.poll(0, "power_instant", t_ns) == pytest.approx([500, 500, 500, 100, 100])
    energies_j = fake.poll(0, "energy", t_ns) - fake.poll(0, "energy", [NS_PER_S])
    assert energies_j == pytest.approx([450, 500, 500, 510, 550])


def test_bulk_polls_and_nvml_calls_agree(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.set_power_trace(0, [0, 700 * MS, 1_300 * MS], [690.0, 400.0, 75.0])
    t_ns = np.arange(0, 2_000 * MS, 37 * MS)
    gpu = handle()
    called = []
    for instant in t_ns:
        fake.set_virtual_time(int(instant))
        called.append(pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1000)
    assert called == pytest.approx(fake.poll(0, "energy", t_ns), abs=0.0006)


def test_updates_jitter_around_their_period(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.set_power_trace(0, [0], [600.0])
    fake.set_sensor(0, "energy", period_s=0.1, window_s=0, jitter_s=0.003)
    t_ns = np.arange(NS_PER_S, 21 * NS_PER_S, MS // 10)
    seen = fake.poll(0, "energy", t_ns)
    updates_s = t_ns[1:][np.diff(seen) > 0] / NS_PER_S
    periods_s = np.diff(updates_s)
    assert len(updates_s) == pytest.approx(200, abs=1)
    assert periods_s.mean() == pytest.approx(0.1, abs=0.0005)
    assert periods_s.min() >= 0.0938
    assert periods_s.max() <= 0.1062
    assert periods_s.std() > 0.001


def test_a_counter_may_look_at_a_part_of_each_period_only(make_gpus: MakeGpus) -> None:
    """On a square wave of its own period it sees only one half of it."""
    fake = make_gpus()
    edges = np.arange(0, 10 * NS_PER_S, 50 * MS)
    fake.set_power_trace(0, edges, np.where(np.arange(len(edges)) % 2 == 0, 600.0, 200.0))
    fake.set_sensor(0, "energy", period_s=0.1, window_s=0.025)  # updates at 0, 100, ...: after each 200 W half
    first, last = fake.poll(0, "energy", [NS_PER_S, 9 * NS_PER_S])
    assert last - first == pytest.approx(8 * 200)
    assert fake.true_energy_j(0, NS_PER_S, 9 * NS_PER_S) == pytest.approx(8 * 400)


def test_clocks_snap_to_the_grid_and_settle(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.set_power_trace(0, [0], [500.0])
    fake.set_property(0, "settling_s", 0.15)
    fake.set_sensor(0, "sm_clock", period_s=0.1, window_s=0)
    fake.set_virtual_time(NS_PER_S)
    gpu = handle()
    assert pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM) == 1980
    pynvml.nvmlDeviceSetGpuLockedClocks(gpu, 1003, 1003)
    fake.advance(140 * MS)
    assert pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM) == 1980
    fake.advance(100 * MS)
    assert pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM) == 1005  # 345 + 44 * 15
    # idle 75 W, 425 W above it at 1980 MHz
    dynamic_w = 425 * (1005 / 1980) ** 2.4
    assert fake.true_energy_j(0, 2 * NS_PER_S, 3 * NS_PER_S) == pytest.approx(75 + dynamic_w)
    pynvml.nvmlDeviceResetGpuLockedClocks(gpu)
    fake.advance(NS_PER_S)
    assert pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM) == 1980


def test_a_lock_above_the_ceiling_is_accepted_and_not_reached(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.set_power_trace(0, [0], [500.0])
    fake.set_property(0, "lock_ceiling_mhz", 1830)
    gpu = handle()
    pynvml.nvmlDeviceSetGpuLockedClocks(gpu, 1950, 1950)
    fake.advance(NS_PER_S)
    assert pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM) == 1830


def test_the_power_limit_lowers_the_clock_and_moves_its_counter(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.set_power_trace(0, [0, 3 * NS_PER_S], [650.0, 75.0])
    gpu = handle()
    pynvml.nvmlDeviceSetPowerManagementLimit(gpu, 400_000)
    fake.set_virtual_time(2_020 * MS)  # 20 ms of settling, then 2 s capped
    (capped,) = pynvml.nvmlDeviceGetFieldValues(gpu, [74])
    assert capped.value.ullVal == pytest.approx(2 * NS_PER_S)
    assert pynvml.nvmlDeviceGetCurrentClocksEventReasons(gpu) == pynvml.nvmlClocksEventReasonSwPowerCap
    assert pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu) == 400_000
    power_w = pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000
    assert 390 < power_w <= 400
    # 75 + 575 (f/1980)^2.4 = 400 at 1561.1 MHz: the highest of the grid below it
    assert pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM) == 1560
    fake.set_virtual_time(5 * NS_PER_S)
    (capped,) = pynvml.nvmlDeviceGetFieldValues(gpu, [74])
    assert capped.value.ullVal == pytest.approx(2.98 * NS_PER_S)
    assert pynvml.nvmlDeviceGetCurrentClocksEventReasons(gpu) == pynvml.nvmlClocksEventReasonGpuIdle
    with pytest.raises(pynvml.NVMLError_InvalidArgument):
        pynvml.nvmlDeviceSetPowerManagementLimit(gpu, 100_000)


def test_without_permission_nothing_changes(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.deny(0, ["set_clocks", "set_power_limit"], NO_PERMISSION)
    gpu = handle()
    with pytest.raises(pynvml.NVMLError_NoPermission):
        pynvml.nvmlDeviceSetGpuLockedClocks(gpu, 1005, 1005)
    with pytest.raises(pynvml.NVMLError_NoPermission):
        pynvml.nvmlDeviceSetPowerManagementLimit(gpu, 300_000)
    assert pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu) == 700_000


def test_other_processes_see_the_same_gpus(make_gpus: MakeGpus) -> None:
    fake = make_gpus(num_gpus=2)
    fake.set_power_trace(1, [0], [321.0])
    fake.set_virtual_time(3 * NS_PER_S)
    program = """
import pynvml as n
n.nvmlInit()
gpu = n.nvmlDeviceGetHandleByIndex(1)
print(n.nvmlDeviceGetCount(), n.nvmlDeviceGetPowerUsage(gpu))
n.nvmlDeviceSetPowerManagementLimit(gpu, 300_000)
"""
    child = subprocess.run(
        [sys.executable, "-c", program], env=fake.environment(), capture_output=True, text=True, check=True
    )
    assert child.stdout == "2 321000\n"
    assert pynvml.nvmlDeviceGetEnforcedPowerLimit(handle(1)) == 300_000


def test_temperature_follows_power_slowly(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.set_power_trace(0, [10 * NS_PER_S], [575.0])
    fake.set_sensor(0, "temperature", period_s=0.1, window_s=0)
    # 28 + 0.06 * 75 = 32.5 idle, 62.5 in the end; after one time constant (15 s) 63.2 % of the way
    at_c = fake.poll(0, "temperature", np.array([10, 25, 310]) * NS_PER_S)
    assert at_c == pytest.approx([32.5, 32.5 + 30 * 0.632, 62.5], abs=0.01)


def test_a_trace_out_of_order_is_refused(make_gpus: MakeGpus) -> None:
    with pytest.raises(ValueError, match="rising order"):
        make_gpus().set_power_trace(0, [5, 5], [1.0, 2.0])


def test_no_driver_without_gpus(make_gpus: MakeGpus, tmp_path: Path) -> None:
    make_gpus().deactivate()
    with pytest.raises(pynvml.NVMLError_DriverNotLoaded):
        pynvml.nvmlInit()


def test_each_call_costs_what_was_said_asleep_or_computing(make_gpus: MakeGpus) -> None:
    fake = make_gpus(start_ns=None)
    fake.set_call_cost(0.02, ["power_usage"], burn=True)
    fake.set_call_cost(0.02, ["energy"])
    gpu = handle()
    for call, burns in ((pynvml.nvmlDeviceGetPowerUsage, True), (pynvml.nvmlDeviceGetTotalEnergyConsumption, False)):
        begin_s, begin_cpu_s = time.monotonic(), time.process_time()
        for _ in range(10):
            call(gpu)
        assert time.monotonic() - begin_s >= 0.2
        assert (time.process_time() - begin_cpu_s > 0.02) == burns  # of 0.2 s: a busy machine may take most away


def test_a_driven_gpu_is_as_it_is_told_and_says_what_was_set(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    fake.set_name(0, "MODELLED GPU")
    fake.set_sensor(0, "energy", period_s=0.02, window_s=0)
    gpu = handle()
    fake.drive(0, NS_PER_S, 500.0, 1500.0, is_busy=True)
    pynvml.nvmlDeviceSetGpuLockedClocks(gpu, 990, 990)  # no more than a wish: whoever drives makes it so
    fake.drive(0, 2 * NS_PER_S, 300.0, 990.0, is_busy=True, is_capped=True)
    fake.set_virtual_time(3 * NS_PER_S)
    assert pynvml.nvmlDeviceGetName(gpu) == "MODELLED GPU"
    assert fake.setting(0)[0] == 990
    assert fake.true_energy_j(0, 0, 3 * NS_PER_S) == pytest.approx(75 + 500 + 300)
    assert fake.poll(0, "sm_clock", [1_900 * MS, 2_900 * MS]) == pytest.approx([1500, 990])
    assert pynvml.nvmlDeviceGetCurrentClocksEventReasons(gpu) == 4 | 2  # power cap, clock setting
    shown_j = np.diff(fake.poll(0, "energy", [1_000 * MS, 1_100 * MS]))
    assert shown_j == pytest.approx([50], abs=0.02 * 500)  # a refresh either way


def test_a_driven_gpu_forgets_old_changes_and_no_energy(make_gpus: MakeGpus) -> None:
    fake = make_gpus()
    for step in range(40_000):  # more than there is room for
        fake.drive(0, NS_PER_S + step * MS, 100.0 + step % 2, 1500.0, is_busy=True)
    begin_ns, end_ns = NS_PER_S + 38_000 * MS, NS_PER_S + 40_000 * MS
    assert fake.true_energy_j(0, begin_ns, end_ns) == pytest.approx(2 * 100.5)
    (total_j,) = fake.poll(0, "energy", [end_ns]) - 1000
    assert total_j == pytest.approx(75 + 40 * 100.5, abs=15)  # and the counter's refresh of 0.1 s
