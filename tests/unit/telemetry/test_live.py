import io
from pathlib import Path

import pytest

from llmdvfs.records.telemetry import Reading, TelemetryDevice, TelemetryHeader
from llmdvfs.records.telemetry_file import header_line, reading_line
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
            "     1.0 s",
            "  gpu0             450 W  max 600 W  234 J  1980 MHz  power cap  hardware thermal",
            "  cpu              ",
        ]
        file.write(gpu(power_instant_w=9999.0)[-5:])
    view.update()
    assert "9999 W  max 9999 W" in view.lines(2.0)[1]
    view.close()


def test_what_was_not_read_is_not_shown_as_zero(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(header_line(HEADER) + gpu(power_instant_w=None, power_average_w=70.0, energy_j=None))
    view = LiveView(path)
    view.update()
    assert view.lines(0.0)[1] == "  gpu0             70 W  max 70 W"
    view.close()


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
    assert "gpu0             500 W" in screen.getvalue()
    assert ("\x1b[" in screen.getvalue()) == is_terminal
