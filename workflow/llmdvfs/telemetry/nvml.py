"""The only door to NVML, but for GPM (gpm.py): values leave in SI units, failures as NvmlError (nvml_call.py)."""

from collections.abc import Callable
from typing import Any, TypeVar

import pynvml

from llmdvfs.telemetry.nvml_arrays import FieldArray, SampleArray
from llmdvfs.telemetry.nvml_call import NvmlError as NvmlError
from llmdvfs.telemetry.nvml_call import call as call

T = TypeVar("T")

ALL_LINKS = 0xFFFFFFFF  # scope of an NVLink field: all links of the GPU together
MEMORY_SCOPE = pynvml.NVML_POWER_SCOPE_MEMORY  # scope of a power field: the GPU's memory alone
MW_PER_W = 1000
MJ_PER_J = 1000  # NVML counts millijoules
NS_PER_S = 1_000_000_000
KIB = 1024
MB = 1_000_000  # NVML counts link speeds in these

PCIE_LANE_BYTES_PER_S = {1: 0.25e9, 2: 0.5e9, 3: 0.985e9, 4: 1.969e9, 5: 3.938e9, 6: 7.563e9}
"""Generation -> one lane, one way, after encoding (PCI Express Base Specification)."""

_PEER_READ = 0  # pynvml's NVML_P2P_CAPS_INDEX_READ is a tuple by mistake, which its own function refuses

FIELDS: dict[str, tuple[int, int, float]] = {
    "power_instant_w": (pynvml.NVML_FI_DEV_POWER_INSTANT, 0, 1 / MW_PER_W),
    "power_average_w": (pynvml.NVML_FI_DEV_POWER_AVERAGE, 0, 1 / MW_PER_W),
    "memory_power_w": (pynvml.NVML_FI_DEV_POWER_AVERAGE, MEMORY_SCOPE, 1 / MW_PER_W),
    "memory_temperature_c": (pynvml.NVML_FI_DEV_MEMORY_TEMP, 0, 1),
    "sw_power_cap_s": (pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP, 0, 1 / NS_PER_S),
    "sw_thermal_s": (pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN, 0, 1 / NS_PER_S),
    "hw_thermal_s": (pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN, 0, 1 / NS_PER_S),
    "hw_power_brake_s": (pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN, 0, 1 / NS_PER_S),
    "pcie_tx_bytes": (pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, 0, 1),
    "pcie_rx_bytes": (pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES, 0, 1),
    "nvlink_tx_bytes": (pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, ALL_LINKS, KIB),
    "nvlink_rx_bytes": (pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, ALL_LINKS, KIB),
}
"""Quantity -> (field of nvmlDeviceGetFieldValues, scope, factor to its unit)."""

_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")  # by nvmlValueType_t


def num_gpus() -> int:
    """Return how many GPUs the driver knows, loading its library first if need be; NvmlError where there is none."""
    call(pynvml.nvmlInit)
    return int(call(pynvml.nvmlDeviceGetCount))


class NvmlGpu:
    """One GPU. Every method makes one call of the driver, 1-5 us unless it says otherwise."""

    def __init__(self, index: int) -> None:
        """Take the GPU with this NVML index; `num_gpus` has been called before."""
        self.index = index
        self._handle = call(pynvml.nvmlDeviceGetHandleByIndex, index)
        self._fields: dict[tuple[str, ...], FieldArray] = {}
        self._power_samples: SampleArray | None = None

    @property
    def handle(self) -> Any:
        """Return the driver's handle, for calls of pynvml elsewhere (gpm.py)."""
        return self._handle

    def fields(self, quantities: tuple[str, ...]) -> tuple[dict[str, float | None], dict[str, NvmlError]]:
        """Return the quantities of FIELDS, and why those that are None failed; not for two threads at once.

        NvmlError where the whole call fails. The driver can succeed and still refuse a field.
        """
        array = self._fields.get(quantities)
        if array is None:
            array = self._fields[quantities] = FieldArray(self._handle, [FIELDS[name] for name in quantities])
        values: dict[str, float | None] = {}
        errors: dict[str, NvmlError] = {}
        for quantity, answer in zip(quantities, array.read(), strict=True):
            if isinstance(answer, NvmlError):
                values[quantity] = None
                errors[quantity] = answer
            else:
                values[quantity] = answer
        return values, errors

    def energy_j(self) -> float:
        """Return the energy counter [J since driver load]. It blocks: 3 ms, up to 16 ms on an H100 or H200."""
        return float(call(pynvml.nvmlDeviceGetTotalEnergyConsumption, self._handle)) / MJ_PER_J

    def power_usage_w(self) -> float:
        """Return nvmlDeviceGetPowerUsage: a 1 s average after Ampere but for GA100, power now elsewhere."""
        return float(call(pynvml.nvmlDeviceGetPowerUsage, self._handle)) / MW_PER_W

    def power_samples(self, after_us: int) -> list[tuple[int, float]]:
        """Return the driver's own samples of power after an instant: (microseconds of the wall clock, watts).

        The driver takes one every 20 ms, whoever polls, and keeps about 2.4 s of them (119 on an H100). 0.3-1.7 ms.
        """
        if self._power_samples is None:
            self._power_samples = SampleArray(self._handle, pynvml.NVML_TOTAL_POWER_SAMPLES, 1 / MW_PER_W)
        return self._power_samples.after(after_us)

    def sm_clock_mhz(self) -> float:
        """Return the core clock."""
        return float(call(pynvml.nvmlDeviceGetClockInfo, self._handle, pynvml.NVML_CLOCK_SM))

    def memory_clock_mhz(self) -> float:
        """Return the memory clock."""
        return float(call(pynvml.nvmlDeviceGetClockInfo, self._handle, pynvml.NVML_CLOCK_MEM))

    def utilisation_fraction(self) -> tuple[float, float]:
        """Return the shares of time with a kernel running and with device memory in use."""
        rates = call(pynvml.nvmlDeviceGetUtilizationRates, self._handle)
        return rates.gpu / 100, rates.memory / 100

    def temperature_c(self) -> float:
        """Return the temperature of the GPU's core."""
        return float(call(pynvml.nvmlDeviceGetTemperature, self._handle, pynvml.NVML_TEMPERATURE_GPU))

    def memory_bytes(self) -> tuple[int, int]:
        """Return (used, total) device memory."""
        memory = call(pynvml.nvmlDeviceGetMemoryInfo, self._handle)
        return int(memory.used), int(memory.total)

    def clock_event_reasons(self) -> int:
        """Return the reasons that hold the clock down now, as the bits of nvmlClocksEventReasons."""
        return int(call(pynvml.nvmlDeviceGetCurrentClocksEventReasons, self._handle))

    def power_limit_w(self) -> float:
        """Return the power limit in force."""
        return float(call(pynvml.nvmlDeviceGetEnforcedPowerLimit, self._handle)) / MW_PER_W

    def performance_state(self) -> int:
        """Return the performance state (P-state), 0 the highest."""
        return int(call(pynvml.nvmlDeviceGetPerformanceState, self._handle))

    def name(self) -> str:
        """Return the product's name."""
        return str(call(pynvml.nvmlDeviceGetName, self._handle))

    def uuid(self) -> str:
        """Return the UUID, which identifies the GPU whatever its index."""
        return str(call(pynvml.nvmlDeviceGetUUID, self._handle))

    def serial(self) -> str:
        """Return the number on the board; consumer GPUs have none."""
        return str(call(pynvml.nvmlDeviceGetSerial, self._handle))

    def vbios(self) -> str:
        """Return the version of the board's firmware."""
        return str(call(pynvml.nvmlDeviceGetVbiosVersion, self._handle))

    def application_sm_clock_mhz(self) -> int:
        """Return the core clock that applications are given; somebody may have set it (nvidia-smi -ac)."""
        return int(call(pynvml.nvmlDeviceGetApplicationsClock, self._handle, pynvml.NVML_CLOCK_SM))

    def default_application_sm_clock_mhz(self) -> int:
        """Return the core clock that applications are given where nobody has set it."""
        return int(call(pynvml.nvmlDeviceGetDefaultApplicationsClock, self._handle, pynvml.NVML_CLOCK_SM))

    def details(self) -> dict[str, str | int | float | None]:
        """Return what describes the GPU and does not change during a run; None: this GPU does not tell."""
        handle = self._handle
        readers: dict[str, Callable[[], str | int | float]] = {
            "driver": lambda: str(call(pynvml.nvmlSystemGetDriverVersion)),
            "pci_bus_id": lambda: str(call(pynvml.nvmlDeviceGetPciInfo, handle).busId),
            "memory_total_bytes": lambda: self.memory_bytes()[1],
            "power_limit_w": self.power_limit_w,
            "power_limit_default_w": self.default_power_limit_w,
            "power_limit_min_w": lambda: self.power_limit_range_w()[0],
            "power_limit_max_w": lambda: self.power_limit_range_w()[1],
            "sm_clock_max_mhz": lambda: int(call(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_SM)),
            "memory_clock_max_mhz": lambda: int(call(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_MEM)),
            "mig_mode": self.mig_mode,
            "num_nvlinks": self.num_nvlinks,
            "persistence_mode": lambda: int(call(pynvml.nvmlDeviceGetPersistenceMode, handle)),
        }
        return {key: or_none(read) for key, read in readers.items()}

    def power_limit_range_w(self) -> tuple[float, float]:
        """Return the lowest and the highest power limit that can be set."""
        low, high = call(pynvml.nvmlDeviceGetPowerManagementLimitConstraints, self._handle)
        return low / MW_PER_W, high / MW_PER_W

    def mig_mode(self) -> int:
        """Return 1 where MIG divides the GPU into instances, else 0."""
        return int(call(pynvml.nvmlDeviceGetMigMode, self._handle)[0])

    def processes(self) -> dict[int, int | None]:
        """Return the processes that hold the GPU, and their device memory [bytes]. 5 ms and a lock: never in a loop."""
        compute = call(pynvml.nvmlDeviceGetComputeRunningProcesses, self._handle)
        graphics = call(pynvml.nvmlDeviceGetGraphicsRunningProcesses, self._handle)
        return {int(process.pid): process.usedGpuMemory for process in (*compute, *graphics)}

    def num_nvlinks(self) -> int:
        """Return how many of its NVLinks are up; 0 where it has none."""
        num_active = 0
        for link in range(pynvml.NVML_NVLINK_MAX_LINKS):
            try:
                num_active += int(call(pynvml.nvmlDeviceGetNvLinkState, self._handle, link))
            except NvmlError as error:
                if not error.is_absent:
                    raise
                break  # past the last link
        return num_active

    def nvlink_rate_bytes_per_s(self) -> float | None:
        """Return the nominal rate of all its active NVLinks together, one way; None: not told."""
        # Not ..._SPEED_MBPS_COMMON: an H200 does not support it.
        each = [(pynvml.NVML_FI_DEV_NVLINK_GET_SPEED, link) for link in range(pynvml.NVML_NVLINK_MAX_LINKS)]
        told = call(pynvml.nvmlDeviceGetFieldValues, self._handle, each)
        speeds = [getattr(a.value, _MEMBERS[a.valueType]) for a in told if a.nvmlReturn == pynvml.NVML_SUCCESS]
        return float(sum(speeds) * MB) or None

    def pcie_rate_bytes_per_s(self) -> float | None:
        """Return the nominal rate of PCIe at its best, one way (it slows down when idle); None: unknown generation."""
        generation = int(call(pynvml.nvmlDeviceGetMaxPcieLinkGeneration, self._handle))
        width = int(call(pynvml.nvmlDeviceGetMaxPcieLinkWidth, self._handle))
        lane = PCIE_LANE_BYTES_PER_S.get(generation)
        return None if lane is None else lane * width

    def common_ancestor(self, other: "NvmlGpu") -> int:
        """Return the NVML_TOPOLOGY_ level at which the two meet on PCIe."""
        return int(call(pynvml.nvmlDeviceGetTopologyCommonAncestor, self._handle, other._handle))

    def can_access(self, other: "NvmlGpu") -> bool:
        """Return whether this GPU can read and write the other's memory directly."""
        return self._has_peer(other, _PEER_READ) and self._has_peer(other, pynvml.NVML_P2P_CAPS_INDEX_WRITE)

    def is_nvlinked_to(self, other: "NvmlGpu") -> bool:
        """Return whether such access goes over NVLink."""
        return self._has_peer(other, pynvml.NVML_P2P_CAPS_INDEX_NVLINK)

    def _has_peer(self, other: "NvmlGpu", capability: int) -> bool:
        status = call(pynvml.nvmlDeviceGetP2PStatus, self._handle, other._handle, capability)
        return bool(status == pynvml.NVML_P2P_STATUS_OK)

    def supported_memory_clocks_mhz(self) -> list[int]:
        """Return the memory clocks that can be asked for."""
        return [int(clock) for clock in call(pynvml.nvmlDeviceGetSupportedMemoryClocks, self._handle)]

    def supported_sm_clocks_mhz(self) -> list[int]:
        """Return the core clocks that can be asked for, at the highest memory clock."""
        memory_mhz = max(self.supported_memory_clocks_mhz())
        return [int(clock) for clock in call(pynvml.nvmlDeviceGetSupportedGraphicsClocks, self._handle, memory_mhz)]

    def lock_sm_clock(self, low_mhz: int, high_mhz: int) -> None:
        """Keep the core clock between two values; this outlives the process.

        Like every method below, it needs CAP_SYS_ADMIN.
        """
        call(pynvml.nvmlDeviceSetGpuLockedClocks, self._handle, low_mhz, high_mhz)

    def lock_memory_clock(self, clock_mhz: int) -> None:
        """Lock the memory clock; it outlives this process."""
        call(pynvml.nvmlDeviceSetMemoryLockedClocks, self._handle, clock_mhz, clock_mhz)

    def reset_sm_clock(self) -> None:
        """Undo any lock of the core clock."""
        call(pynvml.nvmlDeviceResetGpuLockedClocks, self._handle)

    def reset_memory_clock(self) -> None:
        """Undo any lock of the memory clock."""
        call(pynvml.nvmlDeviceResetMemoryLockedClocks, self._handle)

    def set_power_limit(self, limit_w: float) -> None:
        """Set the power limit; it outlives this process."""
        # Not ..._v2: pynvml's binding of that ignores what the driver answers.
        call(pynvml.nvmlDeviceSetPowerManagementLimit, self._handle, round(limit_w * MW_PER_W))

    def default_power_limit_w(self) -> float:
        """Return the power limit that the GPU starts with."""
        return float(call(pynvml.nvmlDeviceGetPowerManagementDefaultLimit, self._handle)) / MW_PER_W


def or_none(read: Callable[[], T]) -> T | None:
    """Return what a call of the driver gives, None where this GPU does not have it; NvmlError where the GPU is lost."""
    try:
        return read()
    except NvmlError as error:
        if error.is_lost:
            raise
        return None
