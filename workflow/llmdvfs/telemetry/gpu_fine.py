"""Two further probes of a GPU: power as the driver itself samples it, and how busy its parts are."""

from collections.abc import Callable

from llmdvfs.clock import mono_ns, wall_ns
from llmdvfs.records.telemetry import Reading, TelemetryDevice
from llmdvfs.telemetry.device import Cadence, Sample
from llmdvfs.telemetry.gpm import METRICS, Gpm, supports_gpm
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu

NS_PER_US = 1000
STAMP_RESOLUTION_NS = NS_PER_US // 2  # the driver stamps in whole microseconds
MIN_ACTIVITY_INTERVAL_NS = 150_000_000  # below 100 ms GPM answers 0 and NaN, and its refreshes have no fixed beat

GPM_RIGHTS = (
    "run as root or with CAP_SYS_ADMIN, or have the administrator load the driver with "
    "NVreg_RestrictProfilingToAdminUsers=0"
)


class GpuPowerSamplesProbe:
    """Power every 20 ms, as the driver itself samples and stamps it, whoever polls; fetched once a second."""

    cadence: Cadence = "samples"

    def __init__(
        self,
        gpu: NvmlGpu,
        device: TelemetryDevice,
        clock: Callable[[], int] = mono_ns,
        wall_clock: Callable[[], int] = wall_ns,
    ) -> None:
        """NvmlError where the GPU does not keep samples."""
        self.device = device
        self._gpu = gpu
        self._clock, self._wall_clock = clock, wall_clock
        self._last_us = max((stamp_us for stamp_us, _ in gpu.power_samples(0)), default=0)
        self._offset_ns: int | None = None

    def read(self) -> Sample:
        """Fetch what was sampled since the read before; each sample has an interval of its own that holds its instant.

        The driver stamps with the wall clock. How far that is from the monotonic clock is looked up at each read; the
        error is how well that can be looked up, and how far the wall clock was moved since the read before. The first
        read gives nothing: sampling begins with it.
        """
        try:
            samples = self._gpu.power_samples(self._last_us)
        except NvmlError as error:
            return Sample(
                {"power_sample_w": None}, {"power_sample_w": str(error)}, str(error) if error.is_lost else None
            )
        offset_ns, error_ns = self._wall_clock_offset()
        before_ns, self._offset_ns = self._offset_ns, offset_ns
        self._last_us = max((stamp_us for stamp_us, _ in samples), default=self._last_us)
        if before_ns is None:
            return Sample({})
        error_ns += abs(offset_ns - before_ns) + STAMP_RESOLUTION_NS
        instants = [(stamp_us * NS_PER_US - offset_ns, power_w) for stamp_us, power_w in samples]
        id_ = self.device.device_id
        return Sample(
            {}, stamped=tuple(Reading(id_, t - error_ns, t + error_ns, {"power_sample_w": w}) for t, w in instants)
        )

    def _wall_clock_offset(self) -> tuple[int, int]:
        """Return wall clock minus monotonic clock, and how far off that may be [ns]."""
        before_ns = self._clock()
        wall = self._wall_clock()
        after_ns = self._clock()
        return wall - (before_ns + after_ns) // 2, (after_ns - before_ns + 1) // 2


class GpuActivityProbe:
    """Shares of the time in which SMs, tensor cores and DRAM worked, as means from one read to the next."""

    cadence: Cadence = "activity"

    def __init__(self, gpu: NvmlGpu, device: TelemetryDevice, clock: Callable[[], int] = mono_ns) -> None:
        """NvmlError where the GPU has no GPM, or this process no right to it."""
        self.device = device
        self._clock = clock
        self._gpm = Gpm(gpu)
        self._since_ns: int | None = None

    def read(self) -> Sample:
        """Return the means since the read before, in a reading whose begin and end are those of the mean.

        Nothing, where too little time has passed since: the next read covers it. Nothing at the first read: the first
        mean begins with it.
        """
        if self._since_ns is not None and self._clock() - self._since_ns < MIN_ACTIVITY_INTERVAL_NS:
            return Sample({})
        try:
            values, errors = self._gpm.activity()
        except NvmlError as error:
            lost = str(error) if error.is_lost else None
            return Sample(dict.fromkeys(METRICS), dict.fromkeys(METRICS, str(error)), lost)
        begin_ns, self._since_ns = self._since_ns, self._clock()
        if begin_ns is None:
            return Sample({})
        return Sample({}, stamped=(Reading(self.device.device_id, begin_ns, self._since_ns, values, errors),))


def fine_probes(
    gpu: NvmlGpu, device: TelemetryDevice
) -> tuple[list[GpuPowerSamplesProbe | GpuActivityProbe], list[str]]:
    """Return those of the two probes that GPU and rights allow, and for each of the others why not.

    NvmlError where the GPU is lost.
    """
    probes: list[GpuPowerSamplesProbe | GpuActivityProbe] = []
    absences: list[str] = []
    try:
        probes.append(GpuPowerSamplesProbe(gpu, device))
    except NvmlError as error:
        if error.is_lost:
            raise
        absences.append(f"no power samples of the driver on {device.device_id}: {error}")
    why_not = activity_absence(gpu)
    if why_not is None:
        probes.append(GpuActivityProbe(gpu, device))
    else:
        absences.append(f"no activity of SM, tensor cores and DRAM on {device.device_id}: {why_not}")
    return probes, absences


def activity_absence(gpu: NvmlGpu) -> str | None:
    """Return why GPM cannot be read on a GPU, and what to do about it; None: it can be.

    NvmlError where the GPU is lost.
    """
    try:
        if not supports_gpm(gpu):
            return "GPM is not supported; it needs Hopper or newer"
        if device_is_divided(gpu):
            return "GPM of a whole GPU is not to be had while MIG divides it"
        Gpm(gpu).close()
    except NvmlError as error:
        if error.is_lost:
            raise
        return f"{error}; {GPM_RIGHTS}" if error.is_denied else str(error)
    return None


def device_is_divided(gpu: NvmlGpu) -> bool:
    """Return whether MIG divides the GPU; False too where it does not know MIG."""
    try:
        return gpu.mig_mode() == 1
    except NvmlError as error:
        if error.is_lost:
            raise
        return False
