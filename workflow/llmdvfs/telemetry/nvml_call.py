"""Calls of NVML, whose failures are NvmlError."""

from collections.abc import Callable
from typing import Any

import pynvml

from llmdvfs.errors import TelemetryError

# Before Hopper some of them do not exist; a driver says so, or does not know the id (INVALID_ARGUMENT).
_ABSENT = {
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_INVALID_ARGUMENT,
    pynvml.NVML_ERROR_DEPRECATED,
}
_LOST = {
    pynvml.NVML_ERROR_GPU_IS_LOST,
    pynvml.NVML_ERROR_RESET_REQUIRED,
    pynvml.NVML_ERROR_GPU_NOT_FOUND,
    pynvml.NVML_ERROR_UNINITIALIZED,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
}


class NvmlError(TelemetryError):
    """A call of NVML failed; the message names the call."""

    def __init__(self, what: str, error: pynvml.NVMLError) -> None:
        super().__init__(f"{what}: {error} (NVML error {error.value})")
        self.is_absent = error.value in _ABSENT
        """The device does not have it: it will never work."""
        self.is_lost = error.value in _LOST
        """The device is gone."""
        self.is_denied = error.value == pynvml.NVML_ERROR_NO_PERMISSION
        self.is_not_found = error.value == pynvml.NVML_ERROR_NOT_FOUND


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of pynvml returns; NvmlError, which names the function, where the driver refuses."""
    try:
        return function(*arguments)
    except pynvml.NVMLError as error:
        raise NvmlError(function.__name__, error) from error


def fill(name: str, *arguments: Any) -> None:
    """Let a function of the driver's library fill what its arguments point to; NvmlError where it refuses.

    name: of the function. pynvml's own wrapper makes new arrays at every call, and each access to a member of its
    structures runs Python code: 50 us for two fields, against 3 us so.
    """
    if pynvml.nvmlLib is None:
        raise NvmlError(name, pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED))
    try:
        function = getattr(pynvml.nvmlLib, name)
    except AttributeError as error:  # the driver is older than the function
        raise NvmlError(name, pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)) from error
    answer = function(*arguments)
    if answer != pynvml.NVML_SUCCESS:
        raise NvmlError(name, pynvml.NVMLError(answer))
