"""What a person who watches sees when a cell ends: the same numbers, nearly, as the analysis gives later."""

import os
import pty
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from llmdvfs.__main__ import main
from llmdvfs.benchmark.look import counter_energy_j, first_look
from llmdvfs.records.readings import readings_of
from llmdvfs.records.telemetry import Reading

GOLDEN = Path(__file__).parents[2] / "golden" / "disaggregated_small"


def reading(device: str, at_s: float, energy_j: float | None) -> Reading:
    return Reading(device, int(at_s * 1e9), int(at_s * 1e9) + 1000, {"energy_j": energy_j})


def energy_j(readings: Sequence[Reading], *devices: str) -> float | None:
    return counter_energy_j(readings_of(readings), devices, int(1e9), int(3e9))


def test_a_measured_cell_at_a_glance() -> None:
    """Its result.json says TTFT p50 43.99 ms, 419 tokens/s and 1.116 J a token, over the same whole load."""
    assert first_look(GOLDEN / "raw") == "TTFT p50 44 ms, 419 tokens/s, 1.11 J/token (first look)"


def test_energy_is_of_all_serving_devices_and_of_the_load_alone() -> None:
    readings = [reading("gpu0", t, 10 * t) for t in (0.5, 1.0, 2.0, 3.0, 4.0)]
    readings += [reading("gpu1", t, 100 + t) for t in (1.5, 2.5)]
    readings += [reading("gpu2", t, 1e6 * t) for t in (1.0, 2.0)]
    # gpu0 rose from 10 to 30 J between 1 and 3 s, gpu1 by 1 J; gpu2 serves nobody
    assert energy_j(readings, "gpu0", "gpu1") == pytest.approx(21.0)


def test_energy_that_one_device_does_not_tell_is_not_told_at_all() -> None:
    readings = [reading("gpu0", t, 10 * t) for t in (1.0, 2.0)] + [reading("gpu1", t, None) for t in (1.0, 2.0)]
    assert energy_j(readings, "gpu0", "gpu1") is None
    assert energy_j(readings) is None


def test_the_analysis_tells_a_terminal_what_the_gates_say(tmp_path: Path) -> None:
    """A pipe or a file gets nothing: only people read along."""
    cell = tmp_path / "cell"
    shutil.copytree(GOLDEN, cell)
    near, terminal = pty.openpty()
    assert main(["analyze", str(cell), "--seed", "1", "--tell", str(terminal)]) == 0
    with (tmp_path / "file").open("w") as file:
        assert main(["analyze", str(cell), "--seed", "1", "--tell", str(file.fileno())]) == 0
    line = os.read(near, 1000).decode().strip()
    os.close(near)
    os.close(terminal)
    assert line.startswith(
        "disaggregated-1p1d-nixl_qwen3-1.7b/small/stock/launch-1: TTFT p50 43.99 ms, 419 tokens/s, 1.116 J/token, "
        "gates failed: steady_window"
    )
    assert (tmp_path / "file").read_text() == ""
