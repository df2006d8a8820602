import io
from dataclasses import replace
from pathlib import Path

import pytest

from llmdvfs.records.telemetry import Reading, TelemetryDevice, TelemetryHeader
from llmdvfs.records.telemetry_line import header_line, reading_line
from llmdvfs.telemetry.live import LiveView, watch

HEADER = TelemetryHeader(
    devices=(TelemetryDevice("gpu0", "gpu", "Some GPU"), TelemetryDevice("cpu", "cpu", "Some CPU")),
    interval_s=0.1,
    counter_interval_s=0.02,
    started_mono_ns=0,
    started_unix_s=0.0,
    energy_source="nvml_counter",
)


def gpu(**values: float | None) -> bytes:
    return reading_line(Reading("gpu0", 1, 2, dict(values)))


def test_shows_the_newest_reading_the_highest_power_and_the_energy_so_far(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(header_line(HEADER) + gpu(energy_j=1000.0) + gpu(power_instant_w=600.0, sm_clock_mhz=1980.0))
    view = LiveView(path)
    with path.open("ab") as file:
        file.write(gpu(power_instant_w=450.0, clock_event_reasons=0x44) + gpu(energy_j=1234.0))
        file.write(gpu(power_instant_w=9999.0)[:-5])  # the sampler is still writing this one
        file.flush()
        view.update()
        assert view.lines(1.0) == [
            "1.0 s              W  max W     J   MHz",
            "gpu0             450    600   234  1980  power cap  hardware thermal",
            "cpu",
        ]
        file.write(gpu(power_instant_w=9999.0)[-5:])
    view.update()
    assert view.lines(2.0)[1].split()[1:3] == ["9999", "9999"]
    view.close()


def test_what_was_not_read_is_not_shown_as_zero(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(header_line(HEADER) + gpu(power_instant_w=None, power_average_w=70.0, energy_j=None))
    view = LiveView(path)
    view.update()
    assert view.lines(0.0)[:2] == ["0.0 s              W  max W", "gpu0              70     70"]
    view.close()


def test_eight_gpus_have_a_head_their_total_hbm_and_nvlink(tmp_path: Path) -> None:
    """Eight lines of numbers with units of their own could not be compared, and nobody added them up.

    NVLink: 3 GB out and 1 GB in within half a second are 8 GB/s.
    """
    devices = tuple(TelemetryDevice(f"gpu{k}", "gpu", "Some GPU") for k in range(8))
    path, lines = tmp_path / "t.jsonl", []
    for k in range(8):
        now = {"power_instant_w": 100.0 + k, "memory_power_w": 30.0, "sm_clock_mhz": 1980.0}
        links = ({"nvlink_tx_bytes": 3e9 * n, "nvlink_rx_bytes": 1e9 * n} for n in (1, 2))
        lines += [Reading(f"gpu{k}", n * 500_000_000, 2, dict(link)) for n, link in enumerate(links)]
        lines.append(Reading(f"gpu{k}", 1, 2, dict(now)))
    path.write_bytes(header_line(replace(HEADER, devices=devices)) + b"".join(map(reading_line, lines)))
    view = LiveView(path)
    view.update()
    shown = view.lines(1.0)
    view.close()
    assert shown[0] == "1.0 s              W  max W  HBM W   MHz  NVL GB/s"
    assert shown[8] == "gpu7             107    107     30  1980       8.0"
    assert shown[9] == "total            828           240            64.0"
    assert len({len(line) for line in (shown[0], *shown[8:])}) == 1


class EndedSampler:
    """Has ended already, with a cause."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def poll(self) -> str:
        return "gpu0 is lost"


def test_watching_ends_with_the_sampler(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(header_line(HEADER))
    out = io.StringIO()
    watch(EndedSampler(path), None, out)  # type: ignore[arg-type]
    assert out.getvalue() == ""


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_is_redrawn_in_place_and_a_log_is_not(tmp_path: Path, is_terminal: bool) -> None:
    class Running(EndedSampler):
        def poll(self) -> None:  # type: ignore[override]
            return None

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return is_terminal

    path = tmp_path / "t.jsonl"
    path.write_bytes(header_line(HEADER) + gpu(power_instant_w=500.0))
    screen = Screen()
    watch(Running(path), 1.6, screen)  # type: ignore[arg-type]
    assert "gpu0             500    500\n" in screen.getvalue()
    assert ("\x1b[" in screen.getvalue()) == is_terminal
