"""The live view of a running sampler: its newest readings, redrawn in place on a terminal."""

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import orjson

from llmdvfs.clock import NS_PER_S
from llmdvfs.records.telemetry import Reading
from llmdvfs.records.telemetry_line import parse_reading
from llmdvfs.telemetry.sampler import SamplerHandle

REDRAW_INTERVAL_S = 0.5
NAME_WIDTH, MIN_WIDTH = 14, 4  # columns of a device's name, and of a number at least
NVLINK = ("nvlink_tx_bytes", "nvlink_rx_bytes")
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
    nvlink: list[tuple[int, float]] = field(default_factory=list)
    """Instant [ns] and bytes both ways of the last two readings of its NVLinks."""
    first_energy_j: float | None = None
    max_power_w: float | None = None

    def take(self, reading: Reading) -> None:
        """Take in one reading of the device."""
        self.newest.update(reading.values)
        moved = [reading.values.get(quantity) for quantity in NVLINK]
        if None not in moved:
            self.nvlink = [*self.nvlink, (reading.begin_mono_ns, sum(filter(None, moved)))][-2:]
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

    def nvlink_bytes_per_s(self) -> float | None:
        """Traffic over all its NVLinks, both ways; None until they have been read twice."""
        if len(self.nvlink) < 2:
            return None
        (before_ns, before), (now_ns, now) = self.nvlink
        return (now - before) / ((now_ns - before_ns) / NS_PER_S) if now_ns > before_ns else None

    def energy_j(self) -> float | None:
        """Energy since the first reading; None where the device has no counter."""
        now_j = self.newest.get("energy_j")
        return None if now_j is None or self.first_energy_j is None else now_j - self.first_energy_j


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the view; it is shown where any device has a value."""

    title: str
    value: Callable[[_DeviceView], float | None]
    form: str = "{:.0f}"
    is_summed: bool = False
    """Whether the sum over GPUs means something."""

    def placed(self, text: str) -> str:
        """Return the text at its place in a line."""
        return "  " + text.rjust(max(MIN_WIDTH, len(self.title)))


def _newest(quantity: str, factor: float = 1.0) -> Callable[[_DeviceView], float | None]:
    def value(view: _DeviceView) -> float | None:
        now = view.newest.get(quantity)
        return None if now is None else now * factor

    return value


def _nvlink_gb_per_s(view: _DeviceView) -> float | None:
    rate = view.nvlink_bytes_per_s()
    return None if rate is None else rate / 1e9


COLUMNS = (
    Column("W", lambda view: view.power_w, is_summed=True),
    Column("max W", lambda view: view.max_power_w),
    Column("HBM W", _newest("memory_power_w"), is_summed=True),
    Column("J", _DeviceView.energy_j, is_summed=True),
    Column("MHz", _newest("sm_clock_mhz")),
    Column("mem MHz", _newest("memory_clock_mhz")),
    Column("GPU %", _newest("gpu_utilisation_fraction", 100)),
    Column("°C", _newest("temperature_c")),
    Column("GiB", _newest("memory_used_bytes", 2**-30), "{:.1f}", is_summed=True),
    Column("NVL GB/s", _nvlink_gb_per_s, "{:.1f}", is_summed=True),
    Column("CPU %", _newest("cpu_utilisation_fraction", 100)),
    Column("CPU MHz", _newest("cpu_clock_mhz")),
    Column("host GiB", _newest("host_memory_used_bytes", 2**-30), "{:.1f}"),
)


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
        """Return the view as lines of text: the head, a line for each device, and the total of several GPUs.

        elapsed_s: since the sampler's start.
        """
        views = list(self._views.values())
        shown = [column for column in COLUMNS if any(column.value(view) is not None for view in views)]
        head = "".join(column.placed(column.title) for column in shown)
        lines = [f"{f'{elapsed_s:.1f} s':{NAME_WIDTH}}{head}".rstrip()]
        lines += [_line(name, view, shown) for name, view in self._views.items()]
        gpus = [view for name, view in self._views.items() if name.startswith("gpu")]
        if len(gpus) > 1:
            total = "".join(column.placed(_total(column, gpus)) for column in shown)
            lines.append(f"{'total':{NAME_WIDTH}}{total}".rstrip())
        return lines

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
                if redraws:  # a line that the terminal breaks in two would not be drawn over
                    lines = [line[: shutil.get_terminal_size().columns] for line in lines]
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


def _line(device_id: str, view: _DeviceView, columns: list[Column]) -> str:
    values = [(column, column.value(view)) for column in columns]
    cells = [column.placed("" if value is None else column.form.format(value)) for column, value in values]
    reasons = int(view.newest.get("clock_event_reasons") or 0)
    held_by = "".join(f"  {name}" for bit, name in CLOCK_EVENTS.items() if reasons & bit)
    return f"{device_id:{NAME_WIDTH}}{''.join(cells)}{held_by}".rstrip()


def _total(column: Column, gpus: list[_DeviceView]) -> str:
    """Return the sum where it means something and every GPU has a value."""
    values = [value for gpu in gpus if (value := column.value(gpu)) is not None]
    return column.form.format(sum(values)) if column.is_summed and len(values) == len(gpus) else ""
