"""Which GPUs a deployment gets: free ones, kept by leases while it runs."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llmdvfs.errors import ConfigError
from llmdvfs.records.host import HostGpu

LEASES = Path(tempfile.gettempdir())


class GpusTaken(ConfigError):
    """Others have the GPUs, perhaps not for long."""


@dataclass(slots=True)
class LeasedGpus:
    """GPUs that no other run on this host takes while one of the descriptors is open somewhere."""

    gpus: tuple[HostGpu, ...]
    fds: tuple[int, ...]

    def release(self) -> None:
        """Close this process's descriptors; guards that inherited them hold the leases until their end."""
        for fd in self.fds:
            os.close(fd)
        self.fds = ()


def take_gpus(
    num_needed: int,
    wanted: Sequence[int] | None,
    host: Sequence[HostGpu],
    visible: str | None,
    leases: Path = LEASES,
) -> LeasedGpus:
    """Lease the wanted GPUs, or the first free ones; GpusTaken says who has those that cannot be had.

    visible: CUDA_VISIBLE_DEVICES as inherited (a scheduler sets it), None where unset.
    """
    allowed = visible_gpus(host, visible)
    if wanted is not None:
        allowed = _wanted(wanted, allowed, visible)
    taken: list[HostGpu] = []
    fds: list[int] = []
    refusals: list[str] = []
    for gpu in allowed:
        if len(taken) == num_needed:
            break
        refusal = _in_use(gpu)
        fd = None if refusal else _lease(gpu, leases)
        if fd is not None:
            taken.append(gpu)
            fds.append(fd)
        else:
            refusals.append(refusal or f"GPU {gpu.index} is leased to {_holder(gpu, leases)}")
    if len(taken) < num_needed:
        LeasedGpus(tuple(taken), tuple(fds)).release()
        problem = GpusTaken if num_needed <= len(allowed) else ConfigError
        among = f"of the wanted {list(wanted)}" if wanted is not None else f"of {len(allowed)} visible"
        raise problem(
            f"serving.gpus: {num_needed} GPUs needed, {len(taken)} {among} free"
            f"{': ' if refusals else ''}{'; '.join(refusals)}; wait for them, name others, or use fewer instances"
        )
    return LeasedGpus(tuple(taken), tuple(fds))


def visible_gpus(host: Sequence[HostGpu], visible: str | None) -> list[HostGpu]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES names, by index or (beginning of) UUID, in its order."""
    if visible is None:
        return list(host)
    named: list[HostGpu] = []
    for word in filter(None, (part.strip() for part in visible.split(","))):
        found = [gpu for gpu in host if word == str(gpu.index) or (not word.isdigit() and gpu.uuid.startswith(word))]
        if not found:
            break  # as CUDA does: what follows an unknown device is invisible
        named += found[:1]
    return named


def _wanted(wanted: Sequence[int], allowed: Sequence[HostGpu], visible: str | None) -> list[HostGpu]:
    by_index = {gpu.index: gpu for gpu in allowed}
    missing = [index for index in wanted if index not in by_index]
    if missing:
        limit = f" (CUDA_VISIBLE_DEVICES={visible})" if visible is not None else ""
        raise ConfigError(f"serving.gpus: no GPU {missing}; expected among {sorted(by_index)}{limit}")
    return [by_index[index] for index in wanted]


def _in_use(gpu: HostGpu) -> str | None:
    return f"GPU {gpu.index} is in use by {', '.join(gpu.processes)}" if gpu.processes else None


def _lease_path(gpu: HostGpu, leases: Path) -> Path:
    return leases / f"llmdvfs-{gpu.uuid}.lock"


def open_lock(path: Path) -> int:
    """Return a descriptor of a lock file in a folder that several users share."""
    try:
        # Without O_CREAT first: the kernel refuses it for another user's file in a shared folder.
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        with contextlib.suppress(PermissionError):
            os.fchmod(fd, 0o666)  # whatever the umask
        return fd


def _lease(gpu: HostGpu, leases: Path) -> int | None:
    """Return the descriptor that holds the lease; None: another run has it."""
    fd = open_lock(_lease_path(gpu, leases))
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)
    return fd


def _holder(gpu: HostGpu, leases: Path) -> str:
    holder = _lease_path(gpu, leases).read_text(encoding="utf-8", errors="replace").strip()
    return f"process {holder}" if holder else "another run"
