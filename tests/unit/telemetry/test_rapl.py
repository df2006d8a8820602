from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmdvfs.telemetry.rapl import RaplProbe, rapl_probes

RANGE_UJ = 262_143_328_850


def domain(folder: Path, name: str, energy_uj: int = 0, range_uj: int = RANGE_UJ) -> Path:
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return folder


def test_packages_and_their_dram_and_nothing_twice(tmp_path: Path) -> None:
    for number in (0, 1):
        package = domain(tmp_path / f"intel-rapl:{number}", f"package-{number}", 5_000_000)
        domain(package / f"intel-rapl:{number}:0", "core")
        domain(package / f"intel-rapl:{number}:1", "dram", 2_000_000)
    domain(tmp_path / "intel-rapl:2", "psys")  # the whole board, packages included
    domain(tmp_path / "intel-rapl-mmio:0", "package-0")  # the same package by another way
    (tmp_path / "intel-rapl").mkdir()
    probes, reason = rapl_probes(tmp_path)
    ids = [probe.device.device_id for probe in probes]
    assert ids == ["rapl-package-0", "rapl-dram-0", "rapl-package-1", "rapl-dram-1"]
    assert reason is None
    assert [probe.read().values["energy_j"] for probe in probes] == [5.0, 2.0, 5.0, 2.0]


def test_dram_is_found_in_the_flat_layout_too(tmp_path: Path) -> None:
    domain(tmp_path / "intel-rapl:0", "package-0")
    domain(tmp_path / "intel-rapl:0:0", "dram")
    probes, _ = rapl_probes(tmp_path)
    assert [probe.device.device_id for probe in probes] == ["rapl-package-0", "rapl-dram-0"]


def test_a_counter_that_wrapped_goes_on_rising(tmp_path: Path) -> None:
    folder = domain(tmp_path / "d", "package-0", energy_uj=90_000_000, range_uj=100_000_000)
    probe = RaplProbe(folder, "rapl-package-0")
    (folder / "energy_uj").write_text("30000000")  # 10 J to the end of the range, 30 J from its beginning
    assert probe.read().values["energy_j"] == 130.0
    (folder / "energy_uj").write_text("20000000")  # 70 J more, and 20
    assert probe.read().values["energy_j"] == 220.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.lists(st.integers(0, 999), min_size=1, max_size=30))
def test_energy_is_the_sum_of_increments_whatever_wraps(start_uj: int, increments_uj: list[int]) -> None:
    """With less than one range between reads, unwrapping loses and invents nothing."""
    with TemporaryDirectory() as name:
        folder = domain(Path(name) / "d", "package-0", energy_uj=start_uj, range_uj=1000)
        probe = RaplProbe(folder, "rapl-package-0")
        total_uj = start_uj
        for increment in increments_uj:
            total_uj += increment
            (folder / "energy_uj").write_text(str(total_uj % 1000))
            assert probe.read().values["energy_j"] == pytest.approx(total_uj / 1e6)


def test_without_domains_there_is_a_reason(tmp_path: Path) -> None:
    assert rapl_probes(tmp_path / "none") == ([], f"no RAPL domain below {tmp_path / 'none'}")


def test_counters_that_cannot_be_read_are_a_reason_not_an_error(tmp_path: Path) -> None:
    (domain(tmp_path / "intel-rapl:0", "package-0") / "energy_uj").unlink()
    (tmp_path / "intel-rapl:0/energy_uj").mkdir()  # unreadable even for root, who runs tests in containers
    probes, reason = rapl_probes(tmp_path)
    assert probes == []
    assert reason is not None
    assert "needs root" in reason


def test_a_reading_that_fails_is_null_with_its_cause(tmp_path: Path) -> None:
    folder = domain(tmp_path / "d", "package-0")
    probe = RaplProbe(folder, "rapl-package-0")
    (folder / "energy_uj").unlink()
    sample = probe.read()
    assert sample.values == {"energy_j": None}
    assert "FileNotFoundError" in sample.errors["energy_j"]
