"""Statistics of what `monitor` recorded.

Without a load there is no window and no phase, so the whole recording is one span.
"""

from collections import Counter
from collections.abc import Sequence

from llmdvfs.analysis.distribution import distribution
from llmdvfs.analysis.energy.device import measure_device
from llmdvfs.analysis.sensors import device_series
from llmdvfs.clock import NS_PER_S
from llmdvfs.errors import TelemetryGap
from llmdvfs.records.monitor import DeviceRecording, MonitorRecord, MonitorSample
from llmdvfs.records.readings import readings_of
from llmdvfs.records.telemetry import QUANTITIES, EnergySource, Reading, SamplerReport, TelemetryDevice, TelemetryHeader

ONLY_COUNT_UP = {
    "energy_j",
    "sw_power_cap_s",
    "sw_thermal_s",
    "hw_thermal_s",
    "hw_power_brake_s",
    "nvlink_tx_bytes",
    "nvlink_rx_bytes",
    "clock_event_reasons",  # a set of bits: its mean means nothing
}


def summarise_recording(header: TelemetryHeader, readings: Sequence[Reading], sampler: SamplerReport) -> MonitorRecord:
    """Return the statistics of every device over the whole recording, and every reading in seconds since its begin.

    readings: of all devices, sorted by their beginning. The recording lasts from the beginning of the first to the end
    of the last. Raises TelemetryGap where nothing was read.
    """
    if not readings:
        raise TelemetryGap("nothing was read before the recording ended; let it run for one interval at least")
    start_ns = readings[0].begin_mono_ns
    duration_s = (max(reading.end_mono_ns for reading in readings) - start_ns) / NS_PER_S
    return MonitorRecord(
        started_unix_s=header.started_unix_s + (start_ns - header.started_mono_ns) / NS_PER_S,
        duration_s=duration_s,
        interval_s=header.interval_s,
        energy_source=header.energy_source,
        devices=tuple(
            _device(device, readings, header.source_of(device), start_ns, duration_s) for device in header.devices
        ),
        sampler=sampler,
        samples=tuple(
            MonitorSample((reading.begin_mono_ns - start_ns) / NS_PER_S, reading.device_id, reading.values)
            for reading in readings
        ),
    )


def _device(
    device: TelemetryDevice, readings: Sequence[Reading], source: EnergySource, start_ns: int, duration_s: float
) -> DeviceRecording:
    own = [reading for reading in readings if reading.device_id == device.device_id]
    columns = readings_of(own).of(device.device_id)
    measured = measure_device(
        columns,
        device.device_id,
        None,
        source,
        started_mono_ns=start_ns,
        window_s=(0.0, duration_s),
        idle_windows_s=(),
    )
    series = {quantity: device_series(columns, quantity, start_ns) for quantity in QUANTITIES}
    failures = Counter((quantity, cause) for reading in own for quantity, cause in reading.errors.items())
    failed = (f"{quantity}: {num} of its readings failed: {cause}" for (quantity, cause), num in failures.items())
    return DeviceRecording(
        device=device,
        energy_j=measured.energy_j,
        counter_j=measured.record.counter_j,
        integral_j=measured.record.integral_j,
        mean_power_w=measured.record.mean_power_w,
        max_power_w=measured.record.max_power_w,
        statistics={
            quantity: distribution(points.value)
            for quantity, points in series.items()
            if len(points) and quantity not in ONLY_COUNT_UP
        },
        missing=(*measured.gaps, *failed),
    )
