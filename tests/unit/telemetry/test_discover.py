from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.nvml import NOT_SUPPORTED, FakeNvml

from llmdvfs.errors import TelemetryError
from llmdvfs.telemetry.discover import discover

MakeGpus = Callable[..., FakeNvml]


def rapl(root: Path) -> Path:
    folder = root / "intel-rapl:0"
    folder.mkdir()
    for name, text in (("name", "package-0"), ("energy_uj", "1"), ("max_energy_range_uj", "100")):
        (folder / name).write_text(text)
    return root


def test_gpus_with_a_counter(make_gpus: MakeGpus, tmp_path: Path) -> None:
    make_gpus(num_gpus=3)
    found = discover([0, 2], rapl_root=rapl(tmp_path))
    assert [device.device_id for device in found.devices] == ["gpu0", "gpu2", "rapl-package-0", "cpu"]
    assert found.energy_source == "nvml_counter"
    assert {(probe.device.device_id, probe.cadence) for probe in found.probes} == {
        ("gpu0", "state"),
        ("gpu0", "counter"),
        ("gpu0", "slow"),
        ("gpu0", "samples"),
        ("gpu0", "activity"),
        ("gpu2", "state"),
        ("gpu2", "counter"),
        ("gpu2", "slow"),
        ("gpu2", "samples"),
        ("gpu2", "activity"),
        ("rapl-package-0", "state"),
        ("cpu", "slow"),
    }


def test_none_means_all_gpus(make_gpus: MakeGpus, tmp_path: Path) -> None:
    make_gpus(num_gpus=2)
    assert [d.device_id for d in discover(None, rapl_root=tmp_path).devices] == ["gpu0", "gpu1", "cpu"]
    assert [d.device_id for d in discover([], rapl_root=tmp_path).devices] == ["cpu"]


def test_one_gpu_without_a_counter_takes_it_from_the_deployment(make_gpus: MakeGpus, tmp_path: Path) -> None:
    make_gpus(num_gpus=2).deny(1, ["energy"], NOT_SUPPORTED)
    found = discover(None, rapl_root=tmp_path)
    assert found.energy_source == "nvml_power"
    assert any("no energy counter on gpu1" in reason for reason in found.absences)


def test_a_gpu_without_any_power_leaves_no_source_even_beside_rapl(make_gpus: MakeGpus, tmp_path: Path) -> None:
    fake = make_gpus()
    fake.deny(0, ["energy", "power_usage"], NOT_SUPPORTED)
    for field in (185, 186):
        fake.set_field(0, field, error=NOT_SUPPORTED)
    assert discover(None, rapl_root=rapl(tmp_path)).energy_source == "none"


def test_without_a_driver(make_gpus: MakeGpus, tmp_path: Path) -> None:
    make_gpus().deactivate()
    found = discover(None, rapl_root=tmp_path / "none")
    assert found.energy_source == "none"
    assert [device.device_id for device in found.devices] == ["cpu"]
    assert any("no GPU" in reason for reason in found.absences)
    assert discover(None, rapl_root=rapl(tmp_path)).energy_source == "rapl"
    with pytest.raises(TelemetryError, match=r"GPUs \[0\] cannot be read.*is the NVIDIA driver loaded"):
        discover([0])


def test_a_gpu_that_is_not_there(make_gpus: MakeGpus) -> None:
    make_gpus(num_gpus=2)
    with pytest.raises(TelemetryError, match=r"there is no GPU \[2\]; this machine has 2"):
        discover([0, 2])


def test_the_source_is_the_devices_own(make_gpus: MakeGpus, tmp_path: Path) -> None:
    make_gpus(num_gpus=2).deny(1, ["energy"], NOT_SUPPORTED)
    found = discover(None, rapl_root=rapl(tmp_path))
    assert {device.device_id: device.energy_source for device in found.devices} == {
        "gpu0": "nvml_counter",
        "gpu1": "nvml_power",
        "rapl-package-0": "rapl",
        "cpu": "none",
    }


def test_a_lost_gpu_that_nobody_needs_is_told_and_a_needed_one_is_an_error(make_gpus: MakeGpus, tmp_path: Path) -> None:
    make_gpus(num_gpus=2).lose_gpu(1)
    found = discover(None, needed=[0], rapl_root=tmp_path)
    assert [device.device_id for device in found.devices] == ["gpu0", "cpu"]
    assert found.energy_source == "nvml_counter"
    assert any("gpu1 does not answer and serves nobody here" in reason for reason in found.absences)
    with pytest.raises(TelemetryError, match="NVML error 15"):
        discover(None, needed=[1], rapl_root=tmp_path)
