"""GPM (GPU performance monitoring) of NVML: how busy the parts of a GPU were between two of its samples."""

import ctypes
import math
from typing import Any

import pynvml

from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu, call

METRICS: dict[str, int] = {
    "sm_active_fraction": pynvml.NVML_GPM_METRIC_SM_UTIL,
    "tensor_active_fraction": pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL,
    "dram_active_fraction": pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL,
}
"""Quantity -> metric of nvmlGpmMetricsGet, which comes in percent."""

PERCENT = 100


class Gpm:
    """Activity of one GPU's parts from one sample to the next.

    A sample costs 0.3 ms; GPM needs Hopper or newer, and rights. The object holds two of the driver's samples for its
    lifetime, and frees them with `close`.
    """

    def __init__(self, gpu: NvmlGpu) -> None:
        """Take the first sample; NvmlError where the driver does not know GPM, or refuses it to this process."""
        self._handle = gpu.handle
        self._answer = pynvml.c_nvmlGpmMetricsGet_t(version=pynvml.NVML_GPM_METRICS_GET_VERSION)
        self._answer.numMetrics = len(METRICS)
        for position, metric in enumerate(METRICS.values()):
            self._answer.metrics[position].metricId = metric
        self._before, self._now = _sample(), _sample()
        try:
            call(pynvml.nvmlGpmSampleGet, self._handle, self._before)
        except NvmlError:
            self.close()
            raise

    def activity(self) -> tuple[dict[str, float | None], dict[str, str]]:
        """Return the mean of each of METRICS since the sample before, as fractions, and the cause of every None.

        Two samples less than 100 ms apart give 0 and NaN instead of an error (H100): the caller keeps that distance.
        NvmlError where no sample can be taken; the sample before is kept.
        """
        call(pynvml.nvmlGpmSampleGet, self._handle, self._now)
        self._answer.sample1, self._answer.sample2 = self._before, self._now
        call(pynvml.nvmlGpmMetricsGet, self._answer)
        self._before, self._now = self._now, self._before
        values: dict[str, float | None] = {}
        errors: dict[str, str] = {}
        for position, quantity in enumerate(METRICS):
            metric = self._answer.metrics[position]
            if metric.nvmlReturn != pynvml.NVML_SUCCESS:
                errors[quantity] = str(NvmlError(f"GPM metric {metric.metricId}", pynvml.NVMLError(metric.nvmlReturn)))
            elif math.isnan(metric.value):
                errors[quantity] = f"GPM metric {metric.metricId}: NaN; its counters were not refreshed in between"
            values[quantity] = None if quantity in errors else metric.value / PERCENT
        return values, errors

    def close(self) -> None:
        """Free the samples that the driver keeps."""
        for sample in (self._before, self._now):
            call(pynvml.nvmlGpmSampleFree, sample)


def supports_gpm(gpu: NvmlGpu) -> bool:
    """Return whether the GPU has GPM, whatever this process may read of it; NvmlError where it cannot be told."""
    return bool(call(pynvml.nvmlGpmQueryDeviceSupport, gpu.handle).isSupportedDevice)


def _sample() -> Any:
    sample: ctypes.c_void_p = call(pynvml.nvmlGpmSampleAlloc)
    return sample
