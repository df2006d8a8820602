"""What `monitor` recorded, in words and as CSV."""

import csv
import io

from llmdvfs.records.monitor import DeviceRecording, MonitorRecord
from llmdvfs.records.telemetry import QUANTITIES

J_PER_WH = 3600
NO_POWER = "no power data on this machine"

SHOWN: dict[str, tuple[str, float]] = {
    "power_instant_w": ("power now (W)", 1),
    "power_average_w": ("power averaged by the sensor (W)", 1),
    "sm_clock_mhz": ("core clock (MHz)", 1),
    "memory_clock_mhz": ("memory clock (MHz)", 1),
    "gpu_utilisation_fraction": ("utilisation (%)", 100),
    "memory_used_bytes": ("memory used (GiB)", 2**-30),
    "temperature_c": ("temperature (°C)", 1),
    "memory_temperature_c": ("memory temperature (°C)", 1),
    "cpu_utilisation_fraction": ("utilisation (%)", 100),
    "cpu_clock_mhz": ("clock (MHz)", 1),
    "host_memory_used_bytes": ("memory used (GiB)", 2**-30),
}
"""Quantity -> (row of the table, factor to the unit shown)."""


def recording_table(record: MonitorRecord) -> str:
    """Return the statistics as text for the terminal: a line on the sampler, then a table for each device.

    Quantities are in the units that their rows name. What could not be read is listed under the device, with the cause.
    """
    sampler = record.sampler
    lines = [f"{record.duration_s:.2f} s, {sampler.num_readings} readings, one every {record.interval_s:g} s"]
    lines[0] += f", {sampler.num_missed_slots} of {sampler.num_slots} slots missed"
    lines += [f"ended early: {sampler.error}"] if sampler.error else []
    lines += [NO_POWER] if record.energy_source == "none" else []
    for device in record.devices:
        lines += ["", f"{device.device.device_id}  {device.device.name}", *_rows(device)]
        lines += [f"  missing: {reason}" for reason in device.missing]
    return "\n".join(lines) + "\n"


def _rows(device: DeviceRecording) -> list[str]:
    rows = [f"  {'':34}{'mean':>10}{'min':>10}{'max':>10}"] if device.statistics else []
    for quantity, (label, factor) in SHOWN.items():
        seen = device.statistics.get(quantity)
        if seen is not None and seen.mean is not None and seen.min is not None and seen.max is not None:
            numbers = "".join(f"{value * factor:10.1f}" for value in (seen.mean, seen.min, seen.max))
            rows.append(f"  {label:34}{numbers}")
    if device.energy_j is not None:
        rows.append(f"  energy {device.energy_j:.1f} J = {device.energy_j / J_PER_WH:.4f} Wh{_cross_check(device)}")
    return rows


def _cross_check(device: DeviceRecording) -> str:
    if device.counter_j is None or device.integral_j is None:
        return ""
    return f" (counter {device.counter_j:.1f} J, integral of power {device.integral_j:.1f} J)"


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
