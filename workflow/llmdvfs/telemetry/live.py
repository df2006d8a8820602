"""The live view of a running sampler: its newest readings, redrawn in place on a terminal."""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import orjson

from llmdvfs.records.telemetry import Reading
from llmdvfs.records.telemetry_file import parse_reading
from llmdvfs.telemetry.sampler import SamplerHandle

REDRAW_INTERVAL_S = 0.5
LOG_INTERVAL_S = 10.0  # in a file or pipe lines cannot be redrawn, so they come rarely
CLEAR_LINE = "\x1b[2K"
CURSOR_UP = "\x1b[{}A"
CLOCK_EVENTS = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal",
    0x40: "hardware thermal",
    0x80: "power brake",
}
"""Bits of clock_event_reasons that a user should see; idle and settings of his own are no events."""


@dataclass(slots=True)
class _DeviceView:
    """What has been seen of one device."""

    newest: dict[str, float | None] = field(default_factory=dict)
    first_energy_j: float | None = None
    max_power_w: float | None = None

    def take(self, reading: Reading) -> None:
        """Take in one reading of the device."""
        self.newest.update(reading.values)
        energy_j = reading.values.get("energy_j")
        if self.first_energy_j is None:
            self.first_energy_j = energy_j
        power_w = self.power_w
        if power_w is not None:
            self.max_power_w = max(power_w, self.max_power_w or power_w)

    @property
    def power_w(self) -> float | None:
        """Power at this moment where the GPU tells it, else the sensor's average."""
        instant_w = self.newest.get("power_instant_w")
        return self.newest.get("power_average_w") if instant_w is None else instant_w

    def energy_j(self) -> float | None:
        """Energy since the first reading; None where the device has no counter."""
        now_j = self.newest.get("energy_j")
        return None if now_j is None or self.first_energy_j is None else now_j - self.first_energy_j


class LiveView:
    """Follows a telemetry file as it grows, and shows the newest reading of each device."""

    def __init__(self, path: Path) -> None:
        """Open the file, whose sampler is ready, at its first reading."""
        self._file = path.open("rb")
        header = orjson.loads(self._file.readline())
        self._views = {device["device_id"]: _DeviceView() for device in header["devices"]}

    def update(self) -> None:
        """Take in the lines that were added; one that is still being written waits for the next time."""
        while line := self._file.readline():
            if not line.endswith(b"\n"):
                self._file.seek(-len(line), 1)
                return
            reading = parse_reading(line)
            self._views[reading.device_id].take(reading)

    def lines(self, elapsed_s: float) -> list[str]:
        """Return the view as lines of text; elapsed_s: since the sampler's start."""
        return [f"{elapsed_s:8.1f} s", *(_line(name, view) for name, view in self._views.items())]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def watch(sampler: SamplerHandle, duration_s: float | None, out: TextIO) -> None:
    """Show the sampler's readings until the time is over, the sampler ends or the user presses Ctrl-C.

    duration_s: None for no limit.
    """
    begin_s = time.monotonic()
    end_s = math.inf if duration_s is None else begin_s + duration_s
    redraws = out.isatty()
    due_s = begin_s + REDRAW_INTERVAL_S
    view = LiveView(sampler.path)
    num_drawn = 0
    try:
        while sampler.poll() is None and (now_s := time.monotonic()) < end_s:
            if now_s >= due_s:
                view.update()
                lines = view.lines(now_s - begin_s)
                _draw(lines, num_drawn if redraws else 0, out)
                num_drawn = len(lines)
                due_s = now_s + (REDRAW_INTERVAL_S if redraws else LOG_INTERVAL_S)
            time.sleep(max(0.0, min(REDRAW_INTERVAL_S, end_s - now_s)))
    except KeyboardInterrupt:
        return  # the user has seen enough
    finally:
        view.close()


def _draw(lines: list[str], num_over: int, out: TextIO) -> None:
    """Write the lines over so many that were written before."""
    if num_over:
        out.write(CURSOR_UP.format(num_over))
    out.writelines(f"{CLEAR_LINE if num_over else ''}{line}\n" for line in lines)
    out.flush()


def _line(device_id: str, view: _DeviceView) -> str:
    now = view.newest
    shown = [
        (view.power_w, "{:.0f} W"),
        (view.max_power_w, "max {:.0f} W"),
        (view.energy_j(), "{:.0f} J"),
        (now.get("sm_clock_mhz"), "{:.0f} MHz"),
        (now.get("memory_clock_mhz"), "mem {:.0f} MHz"),
        (now.get("gpu_utilisation_fraction"), "{:.0%}"),
        (now.get("temperature_c"), "{:.0f} °C"),
        (_gib(now.get("memory_used_bytes")), "{:.1f} GiB"),
        (now.get("cpu_utilisation_fraction"), "{:.0%}"),
        (now.get("cpu_clock_mhz"), "{:.0f} MHz"),
        (_gib(now.get("host_memory_used_bytes")), "{:.1f} GiB"),
    ]
    reasons = int(now.get("clock_event_reasons") or 0)
    words = [form.format(value) for value, form in shown if value is not None]
    return f"  {device_id:16} " + "  ".join(words + [name for bit, name in CLOCK_EVENTS.items() if reasons & bit])


def _gib(size_bytes: float | None) -> float | None:
    return None if size_bytes is None else size_bytes / 2**30
