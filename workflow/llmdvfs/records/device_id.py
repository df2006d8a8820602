"""Names of devices in records: `gpu0`, `gpu1` ... for GPUs by NVML's index, `cpu` for the host's processors.

Of a deployment over several hosts they begin with the host's name: `n1/gpu0`.
"""

from collections.abc import Iterable

CPU = "cpu"
_GPU = "gpu"
_BETWEEN = "/"


def gpu_id(index: int) -> str:
    """Return the device id of the GPU with NVML's index."""
    return f"{_GPU}{index}"


def gpu_indices(device_ids: Iterable[str]) -> list[int]:
    """Return the NVML indices of the GPUs among device ids, in the order given; other devices are left out.

    So are those of other hosts: an index means a GPU of the host that measures.
    """
    return [int(name.removeprefix(_GPU)) for name in device_ids if name.startswith(_GPU)]


def on_host(host: str, device_id: str) -> str:
    """Return the id that a device of another host has among those of all hosts."""
    return f"{host}{_BETWEEN}{device_id}"


def host_of(device_id: str) -> str | None:
    """Return the name of the host that a device belongs to; None: the one that measures."""
    host, between, _ = device_id.partition(_BETWEEN)
    return host if between else None
