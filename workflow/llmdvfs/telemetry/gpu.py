"""The three probes of a GPU: its state, its energy counter, and the traffic on its links."""

from collections.abc import Callable

from llmdvfs.clock import NS_PER_S, mono_ns
from llmdvfs.records.device_id import gpu_id
from llmdvfs.records.telemetry import TelemetryDevice
from llmdvfs.telemetry.device import Cadence, Sample
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu

FAST_FIELDS = ("power_instant_w", "power_average_w")
SLOW_FIELDS = (
    "memory_power_w",  # it is refreshed every 100 ms
    "memory_temperature_c",
    "sw_power_cap_s",
    "sw_thermal_s",
    "hw_thermal_s",
    "hw_power_brake_s",
)
LINK_FIELDS = ("nvlink_tx_bytes", "nvlink_rx_bytes", "pcie_tx_bytes", "pcie_rx_bytes")

# Slow sensors, settings, and what counts up: reading them every 5 ms would only load the driver. Below 100 ms, so that
# the default interval of 100 ms reads everything each time, however late or early it wakes up.
SLOW_INTERVAL_NS = 80_000_000

Reader = Callable[[], tuple[float, ...]]
Readers = dict[tuple[str, ...], Reader]


class GpuStateProbe:
    """Power, clocks, utilisation, temperatures, memory and limits, as far as the GPU has them.

    At intervals below 80 ms only power and core clock are in every reading.
    """

    cadence: Cadence = "state"

    def __init__(self, gpu: NvmlGpu, device: TelemetryDevice, clock: Callable[[], int] = mono_ns) -> None:
        """Find out, by trying each, which quantities this GPU has."""
        self.device = device
        self._gpu = gpu
        self._clock = clock
        self._slow_due_ns = clock()
        self._fast_fields = _present_fields(gpu, FAST_FIELDS)
        self._all_fields = self._fast_fields + _present_fields(gpu, SLOW_FIELDS)
        fast: Readers = {("sm_clock_mhz",): lambda: (gpu.sm_clock_mhz(),)}
        if "power_average_w" not in self._fast_fields:  # older than field 185
            fast[("power_average_w",)] = lambda: (gpu.power_usage_w(),)
        slow: Readers = {
            ("memory_clock_mhz",): lambda: (gpu.memory_clock_mhz(),),
            ("gpu_utilisation_fraction", "memory_utilisation_fraction"): gpu.utilisation_fraction,
            ("temperature_c",): lambda: (gpu.temperature_c(),),
            ("memory_used_bytes",): lambda: gpu.memory_bytes()[:1],
            ("clock_event_reasons",): lambda: (gpu.clock_event_reasons(),),
            ("power_limit_w",): lambda: (gpu.power_limit_w(),),
            ("performance_state",): lambda: (gpu.performance_state(),),
        }
        self._fast = {names: read for names, read in fast.items() if _is_present(read)}
        self._all = self._fast | {names: read for names, read in slow.items() if _is_present(read)}

    @property
    def has_power(self) -> bool:
        """Whether the GPU gives any reading of power."""
        return bool(self._fast_fields) or ("power_average_w",) in self._fast

    def read(self) -> Sample:
        """Return those quantities that are due now."""
        fields, readers = self._fast_fields, self._fast
        now_ns = self._clock()
        if now_ns >= self._slow_due_ns:
            self._slow_due_ns = now_ns + SLOW_INTERVAL_NS
            fields, readers = self._all_fields, self._all
        values, errors, lost = _read_fields(self._gpu, fields)
        for quantities, read in readers.items():
            try:
                values.update(zip(quantities, read(), strict=True))
            except NvmlError as error:
                values.update(dict.fromkeys(quantities))
                errors.update(dict.fromkeys(quantities, str(error)))
                lost = lost or _loss(error)
        return Sample(values, errors, lost)


class GpuCounterProbe:
    """The energy counter of a GPU.

    It is read apart from the rest, because its call blocks for milliseconds.
    """

    cadence: Cadence = "counter"

    def __init__(self, gpu: NvmlGpu, device: TelemetryDevice) -> None:
        """NvmlError where the GPU has no counter."""
        self.device = device
        self._gpu = gpu
        gpu.energy_j()

    def read(self) -> Sample:
        """Return the energy since the driver was loaded [J], read now."""
        try:
            return Sample({"energy_j": self._gpu.energy_j()})
        except NvmlError as error:
            return Sample({"energy_j": None}, {"energy_j": str(error)}, _loss(error))


class GpuLinkProbe:
    """Traffic on a GPU's NVLink and PCIe.

    Its cadence is `slow`: the PCIe counters take up to half a millisecond.
    """

    cadence: Cadence = "slow"

    def __init__(self, gpu: NvmlGpu, device: TelemetryDevice) -> None:
        """Find out which counters this GPU has; `has_links` says whether there are any."""
        self.device = device
        self._gpu = gpu
        self._fields = _present_fields(gpu, LINK_FIELDS)
        self._before: dict[str, tuple[int, float]] = {}

    @property
    def has_links(self) -> bool:
        """Whether the GPU has any of these counters."""
        return bool(self._fields)

    def read(self) -> Sample:
        """Return the counters; the PCIe rates are means over the time since the read before."""
        # nvmlDeviceGetPcieThroughput would give a rate at once, but blocks for 20 ms each way.
        now_ns = mono_ns()
        values, errors, lost = _read_fields(self._gpu, self._fields)
        for count_name in ("pcie_tx_bytes", "pcie_rx_bytes"):
            if count_name not in values:
                continue
            rate_name, count = f"{count_name}_per_s", values.pop(count_name)
            if count is None:
                values[rate_name] = None
                errors[rate_name] = errors.pop(count_name)
                continue
            then_ns, then_count = self._before.get(count_name, (now_ns, count))
            self._before[count_name] = (now_ns, count)
            if now_ns > then_ns and count >= then_count:  # it may wrap: then this one rate is left out
                values[rate_name] = (count - then_count) * NS_PER_S / (now_ns - then_ns)
        return Sample(values, errors, lost)


def describe_gpu(gpu: NvmlGpu) -> TelemetryDevice:
    """Return the description of a GPU; NvmlError where it does not answer."""
    return TelemetryDevice(
        device_id=gpu_id(gpu.index),
        kind="gpu",
        name=gpu.name(),
        uuid=gpu.uuid(),
        index=gpu.index,
        details=gpu.details(),
    )


def _present_fields(gpu: NvmlGpu, quantities: tuple[str, ...]) -> tuple[str, ...]:
    try:
        _, errors = gpu.fields(quantities)
    except NvmlError as error:
        if error.is_absent:
            return ()
        raise
    return tuple(name for name in quantities if name not in errors or not errors[name].is_absent)


def _is_present(read: Reader) -> bool:
    try:
        read()
    except NvmlError as error:
        return not error.is_absent
    return True


def _read_fields(
    gpu: NvmlGpu, quantities: tuple[str, ...]
) -> tuple[dict[str, float | None], dict[str, str], str | None]:
    """Return values, causes of the nulls among them, and why the GPU is lost."""
    if not quantities:
        return {}, {}, None
    try:
        values, errors = gpu.fields(quantities)
    except NvmlError as error:
        return dict.fromkeys(quantities), dict.fromkeys(quantities, str(error)), _loss(error)
    lost = next((str(error) for error in errors.values() if error.is_lost), None)
    return values, {name: str(error) for name, error in errors.items()}, lost


def _loss(error: NvmlError) -> str | None:
    return str(error) if error.is_lost else None
