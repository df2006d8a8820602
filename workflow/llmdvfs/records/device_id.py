"""Names of devices in records: `gpu0`, `gpu1` ... for GPUs by NVML's index, `cpu` for the host's processors."""

from collections.abc import Iterable

CPU = "cpu"
_GPU = "gpu"


def gpu_id(index: int) -> str:
    """Return the device id of the GPU with NVML's index."""
    return f"{_GPU}{index}"


def gpu_indices(device_ids: Iterable[str]) -> list[int]:
    """Return the NVML indices of the GPUs among device ids, in the order given; other devices are left out."""
    return [int(name.removeprefix(_GPU)) for name in device_ids if name.startswith(_GPU)]
