"""What `monitor` recorded: one table in words, and CSV."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from llmdvfs.records.monitor import DeviceRecording, MonitorRecord
from llmdvfs.records.telemetry import QUANTITIES

J_PER_WH = 3600
NO_POWER = "no power data on this machine"
NVLINK = ("nvlink_tx_bytes", "nvlink_rx_bytes")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table: what stands in it of a device."""

    title: str
    value: Callable[[DeviceRecording], float | None]
    form: str
    is_summed: bool = False
    """Whether the sum over GPUs means something."""


def _statistic(quantity: str, what: str, factor: float = 1.0) -> Callable[[DeviceRecording], float | None]:
    def value(device: DeviceRecording) -> float | None:
        seen = device.statistics.get(quantity)
        found = None if seen is None else getattr(seen, what)
        return None if found is None else float(found) * factor

    return value


COLUMNS = (
    Column("mean W", lambda device: device.mean_power_w, "{:.1f}", is_summed=True),
    Column("max W", lambda device: device.max_power_w, "{:.1f}"),
    Column("energy J", lambda device: device.energy_j, "{:.1f}", is_summed=True),
    Column("Wh", lambda device: None if device.energy_j is None else device.energy_j / J_PER_WH, "{:.4f}", True),
    Column("HBM W", _statistic("memory_power_w", "mean"), "{:.1f}", is_summed=True),
    Column("core MHz", _statistic("sm_clock_mhz", "mean"), "{:.0f}"),
    Column("mem MHz", _statistic("memory_clock_mhz", "mean"), "{:.0f}"),
    Column("GPU %", _statistic("gpu_utilisation_fraction", "mean", 100), "{:.1f}"),
    Column("max °C", _statistic("temperature_c", "max"), "{:.0f}"),
    Column("max GiB", _statistic("memory_used_bytes", "max", 2**-30), "{:.1f}", is_summed=True),
    Column("CPU %", _statistic("cpu_utilisation_fraction", "mean", 100), "{:.1f}"),
    Column("CPU MHz", _statistic("cpu_clock_mhz", "mean"), "{:.0f}"),
    Column("host GiB", _statistic("host_memory_used_bytes", "max", 2**-30), "{:.1f}"),
)


def recording_table(record: MonitorRecord) -> str:
    """Return the statistics as text for the terminal: a line on the sampler, one table, and what is to be said of it.

    The table has a row for each device and one for all GPUs together; a column that no device has is left out. What
    could not be read is listed below it, with the cause.
    """
    sampler = record.sampler
    first = f"{record.duration_s:.2f} s, {sampler.num_readings} readings, one every {record.interval_s:g} s"
    lines = [f"{first}, {sampler.num_missed_slots} of {sampler.num_slots} slots missed"]
    lines += [f"ended early: {sampler.error}"] if sampler.error else []
    lines += [NO_POWER] if record.energy_source == "none" else []
    return "\n".join([*lines, "", *_aligned(_rows(record)), *_remarks(record)]) + "\n"


def _rows(record: MonitorRecord) -> list[list[str]]:
    """Return the head, a row for each device, and the total of several GPUs."""
    columns = [*COLUMNS, Column("NVLink GB", lambda device: _nvlink_gb(record, device), "{:.2f}", is_summed=True)]
    shown = [column for column in columns if any(column.value(device) is not None for device in record.devices)]
    rows = [["device", "", *(column.title for column in shown)]]
    rows += [
        [device.device.device_id, device.device.name, *(_cell(column, column.value(device)) for column in shown)]
        for device in record.devices
    ]
    gpus = [device for device in record.devices if device.device.kind == "gpu"]
    if len(gpus) > 1:
        rows.append(["total", f"{len(gpus)} GPUs", *(_total(column, gpus) for column in shown)])
    return rows


def _cell(column: Column, value: float | None) -> str:
    return "-" if value is None else column.form.format(value)


def _total(column: Column, gpus: list[DeviceRecording]) -> str:
    """Return the sum where it means something and every GPU has a value."""
    values = [value for gpu in gpus if (value := column.value(gpu)) is not None]
    return column.form.format(sum(values)) if column.is_summed and len(values) == len(gpus) else ""


def _nvlink_gb(record: MonitorRecord, device: DeviceRecording) -> float | None:
    """Return what went over the device's NVLinks, both ways, between its first and last reading of them."""
    moved = []
    for quantity in NVLINK:
        own = [
            value
            for sample in record.samples
            if sample.device_id == device.device.device_id and (value := sample.values.get(quantity)) is not None
        ]
        if len(own) < 2:
            return None
        moved.append(own[-1] - own[0])
    return sum(moved) / 1e9


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        names = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        numbers = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        yield "  ".join([*names, *numbers]).rstrip()


def _remarks(record: MonitorRecord) -> Iterator[str]:
    """Yield what the energies are checked by, and what is missing."""
    for device in record.devices:
        name = device.device.device_id
        if device.counter_j is not None and device.integral_j is not None:
            yield f"{name}: counter {device.counter_j:.1f} J, integral of power {device.integral_j:.1f} J"
        yield from (f"{name}: missing: {reason}" for reason in device.missing)


def recording_csv(record: MonitorRecord) -> str:
    """Return every reading as a row of CSV: seconds since the begin, device, then quantities in SI units.

    The columns are those quantities that any reading has; an empty field was not read, or its reading failed.
    """
    present = {quantity for sample in record.samples for quantity in sample.values}
    columns = ["t_s", "device_id", *(quantity for quantity in QUANTITIES if quantity in present)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for sample in record.samples:
        writer.writerow({"t_s": f"{sample.t_s:.6f}", "device_id": sample.device_id, **sample.values})
    return text.getvalue()
