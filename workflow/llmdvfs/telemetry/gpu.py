"""The three probes of a GPU: its state, its energy counter, and the traffic on its links."""

from collections.abc import Callable

from llmdvfs.clock import NS_PER_S, mono_ns
from llmdvfs.records.telemetry import TelemetryDevice
from llmdvfs.telemetry.device import Cadence, Sample
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu

STATE_FIELDS = (
    "power_instant_w",
    "power_average_w",
    "memory_temperature_c",
    "sw_power_cap_s",
    "sw_thermal_s",
    "hw_thermal_s",
    "hw_power_brake_s",
)
LINK_FIELDS = ("nvlink_tx_bytes", "nvlink_rx_bytes", "pcie_tx_bytes", "pcie_rx_bytes")

Reader = Callable[[], tuple[float, ...]]


class GpuStateProbe:
    """Power, clocks, utilisation, temperatures, memory and limits: what the GPU has of them, in about 30 us."""

    cadence: Cadence = "state"

    def __init__(self, gpu: NvmlGpu, device: TelemetryDevice) -> None:
        """Find out, by trying each, which quantities this GPU has."""
        self.device = device
        self._gpu = gpu
        self._fields = _present_fields(gpu, STATE_FIELDS)
        readers: dict[tuple[str, ...], Reader] = {
            ("sm_clock_mhz",): lambda: (gpu.sm_clock_mhz(),),
            ("memory_clock_mhz",): lambda: (gpu.memory_clock_mhz(),),
            ("gpu_utilisation_fraction", "memory_utilisation_fraction"): gpu.utilisation_fraction,
            ("temperature_c",): lambda: (gpu.temperature_c(),),
            ("memory_used_bytes",): lambda: gpu.memory_bytes()[:1],
            ("clock_event_reasons",): lambda: (gpu.clock_event_reasons(),),
            ("power_limit_w",): lambda: (gpu.power_limit_w(),),
            ("performance_state",): lambda: (gpu.performance_state(),),
        }
        if "power_average_w" not in self._fields:  # older than field 185
            readers[("power_average_w",)] = lambda: (gpu.power_usage_w(),)
        self._readers = {names: read for names, read in readers.items() if _is_present(read)}

    @property
    def has_power(self) -> bool:
        """Whether there is any reading of power."""
        return "power_instant_w" in self._fields or "power_average_w" in (*self._fields, *sum(self._readers, ()))

    def read(self) -> Sample:
        """Read everything now."""
        sample = _read_fields(self._gpu, self._fields)
        lost = sample.lost
        for quantities, read in self._readers.items():
            try:
                sample.values.update(zip(quantities, read(), strict=True))
            except NvmlError as error:
                sample.values.update(dict.fromkeys(quantities))
                sample.errors.update(dict.fromkeys(quantities, str(error)))
                lost = lost or _loss(error)
        return Sample(sample.values, sample.errors, lost)


class GpuCounterProbe:
    """The energy counter, apart from the rest because its call blocks for milliseconds."""

    cadence: Cadence = "counter"

    def __init__(self, gpu: NvmlGpu, device: TelemetryDevice) -> None:
        """NvmlError where the GPU has no counter."""
        self.device = device
        self._gpu = gpu
        gpu.energy_j()

    def read(self) -> Sample:
        """Read the counter now."""
        try:
            return Sample({"energy_j": self._gpu.energy_j()})
        except NvmlError as error:
            return Sample({"energy_j": None}, {"energy_j": str(error)}, _loss(error))


class GpuLinkProbe:
    """Traffic on NVLink and PCIe. Slow: the PCIe counters take up to half a millisecond."""

    cadence: Cadence = "slow"

    def __init__(self, gpu: NvmlGpu, device: TelemetryDevice) -> None:
        """Find out which counters this GPU has; `has_links` says whether there are any."""
        self.device = device
        self._gpu = gpu
        self._fields = _present_fields(gpu, LINK_FIELDS)
        self._before: dict[str, tuple[int, float]] = {}

    @property
    def has_links(self) -> bool:
        """Whether there is anything to read."""
        return bool(self._fields)

    def read(self) -> Sample:
        """Read the counters; the PCIe rates are over the time since the read before."""
        # nvmlDeviceGetPcieThroughput would give a rate at once, but blocks for 20 ms each way.
        now_ns, sample = mono_ns(), _read_fields(self._gpu, self._fields)
        for count_name in ("pcie_tx_bytes", "pcie_rx_bytes"):
            if count_name not in sample.values:
                continue
            rate_name, count = f"{count_name}_per_s", sample.values.pop(count_name)
            if count_name in sample.errors:
                sample.errors[rate_name] = sample.errors.pop(count_name)
            if count is None:
                sample.values[rate_name] = None
                continue
            then_ns, then_count = self._before.get(count_name, (now_ns, count))
            self._before[count_name] = (now_ns, count)
            if now_ns > then_ns and count >= then_count:  # it may wrap: then this one rate is left out
                sample.values[rate_name] = (count - then_count) * NS_PER_S / (now_ns - then_ns)
        return sample


def describe_gpu(gpu: NvmlGpu) -> TelemetryDevice:
    """Return the description of a GPU; NvmlError where it does not answer."""
    return TelemetryDevice(
        device_id=f"gpu{gpu.index}",
        kind="gpu",
        name=gpu.name(),
        uuid=gpu.uuid(),
        index=gpu.index,
        details=gpu.details(),
    )


def _present_fields(gpu: NvmlGpu, quantities: tuple[str, ...]) -> tuple[str, ...]:
    try:
        answers = gpu.fields(quantities)
    except NvmlError as error:
        if error.is_absent:
            return ()
        raise
    return tuple(name for name, value in answers.items() if not (isinstance(value, NvmlError) and value.is_absent))


def _is_present(read: Reader) -> bool:
    try:
        read()
    except NvmlError as error:
        return not error.is_absent
    return True


def _read_fields(gpu: NvmlGpu, quantities: tuple[str, ...]) -> Sample:
    if not quantities:
        return Sample({})
    try:
        answers = gpu.fields(quantities)
    except NvmlError as error:
        return Sample(dict.fromkeys(quantities), dict.fromkeys(quantities, str(error)), _loss(error))
    failed = {name: value for name, value in answers.items() if isinstance(value, NvmlError)}
    values = {name: None if isinstance(value, NvmlError) else value for name, value in answers.items()}
    lost = next((_loss(error) for error in failed.values() if error.is_lost), None)
    return Sample(values, {name: str(error) for name, error in failed.items()}, lost)


def _loss(error: NvmlError) -> str | None:
    return str(error) if error.is_lost else None
