from pathlib import Path

import pytest

from llmdvfs.telemetry.cpu import CpuProbe


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(
        "processor\t: 0\nmodel name\t: Some CPU\ncpu MHz\t\t: 2000.0\n\n"
        "processor\t: 1\nmodel name\t: Some CPU\ncpu MHz\t\t: 3000.0\n\n"
    )
    (tmp_path / "proc/meminfo").write_text("MemTotal:  1000 kB\nMemFree:  100 kB\nMemAvailable:  400 kB\n")
    # user nice system idle iowait irq softirq steal guest guest_nice
    (tmp_path / "proc/stat").write_text("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 1 1 1\n")
    return tmp_path


def test_describes_the_host(host: Path) -> None:
    device = CpuProbe(host).device
    assert (device.device_id, device.kind, device.name) == ("cpu", "cpu", "Some CPU")
    assert device.details == {"num_cpus": 2, "memory_total_bytes": 1_024_000}


def test_utilisation_is_over_the_time_since_the_reading_before(host: Path) -> None:
    probe = CpuProbe(host)
    # 100 ticks later: 30 busy (20 user, 10 system), 60 idle, 10 waiting for a disk; the guest is in user already
    (host / "proc/stat").write_text("cpu  120 0 60 860 60 0 0 0 5 0\n")
    sample = probe.read()
    assert sample.values["cpu_utilisation_fraction"] == pytest.approx(0.30)
    assert sample.values["cpu_clock_mhz"] == 2500
    assert sample.values["host_memory_used_bytes"] == 600 * 1024
    assert sample.errors == {}


def test_no_tick_since_the_reading_before_is_null_with_its_cause(host: Path) -> None:
    sample = CpuProbe(host).read()
    assert sample.values["cpu_utilisation_fraction"] is None
    assert "no clock tick" in sample.errors["cpu_utilisation_fraction"]
    assert sample.values["cpu_clock_mhz"] == 2500


def test_cpufreq_is_preferred_to_cpuinfo(host: Path) -> None:
    for policy, khz in (("policy0", "1200000"), ("policy1", "1400000")):
        folder = host / "sys/devices/system/cpu/cpufreq" / policy
        folder.mkdir(parents=True)
        (folder / "scaling_cur_freq").write_text(f"{khz}\n")
    assert CpuProbe(host).read().values["cpu_clock_mhz"] == 1300


def test_this_machine_has_a_cpu_and_memory() -> None:
    probe = CpuProbe()
    assert int(probe.device.details["num_cpus"] or 0) >= 1
    used = probe.read().values["host_memory_used_bytes"]
    assert used is not None
    assert 0 < used < int(probe.device.details["memory_total_bytes"] or 0)
