"""Chooses the GPUs of a deployment among the free ones, and keeps them by leases while it runs."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmdvfs.errors import ConfigError
from llmdvfs.host.lock import give_up_lock, holder_of, lock_folder, open_lock, take_lock, take_opened_lock
from llmdvfs.records.counted import counted
from llmdvfs.records.host import HostGpu

VISIBLE = "CUDA_VISIBLE_DEVICES"
DEALT = frozenset({"SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "KUBERNETES_SERVICE_HOST"})
"""Variables of a SLURM job, or a step of it, that has asked for GPUs, and of a pod, which sees its own alone."""


class GpusTaken(ConfigError):
    """The GPUs that are needed are in use by others, perhaps not for long."""


@dataclass(slots=True)
class LeasedGpus:
    """GPUs that no other run on this host takes as long as one of these descriptors is open anywhere."""

    gpus: tuple[HostGpu, ...]
    fds: tuple[int, ...]

    def release(self) -> None:
        """Close this process's descriptors; guards that inherited them keep the leases until they end."""
        for fd in self.fds:
            os.close(fd)
        self.fds = ()


def take_gpus(
    num_needed: int,
    wanted: Sequence[int] | None,
    host: Sequence[HostGpu],
    visible: str | None,
    leases: Path | None = None,
    opened: Mapping[str, int] | None = None,
) -> LeasedGpus:
    """Lease the wanted GPUs, or the first free ones; GpusTaken says who has those that cannot be had.

    num_needed: how many. wanted: NVML indices, None: any. host: all GPUs of the host. visible: CUDA_VISIBLE_DEVICES as
    inherited (a scheduler sets it), None where unset. leases: folder of the leases; None: the one that all runs on this
    host share. opened: UUID -> the descriptor by which that GPU is to be leased, since guards have it already.
    """
    leases = leases or lock_folder()
    allowed = _allowed(wanted, host, visible)
    taken: list[HostGpu] = []
    fds: list[int] = []
    refusals: list[str] = []
    for gpu in allowed:
        if len(taken) == num_needed:
            break
        refusal = _in_use(gpu)
        fd = None if refusal else _lease(gpu, leases, opened or {})
        if fd is not None:
            taken.append(gpu)
            fds.append(fd)
        else:
            refusals.append(refusal or f"GPU {gpu.index} is leased to {holder_of(lease_path(gpu.uuid, leases))}")
    if len(taken) < num_needed:
        for fd in fds:
            give_up_lock(fd)
        problem = GpusTaken if num_needed <= len(allowed) else ConfigError
        among = f"of the wanted {list(wanted)}" if wanted is not None else f"of {len(allowed)} visible"
        raise problem(
            f"serving.gpus: {counted(num_needed, 'GPU')} needed, {len(taken)} {among} free"
            f"{': ' if refusals else ''}{'; '.join(refusals)}; wait for them, name others, or use fewer instances"
        )
    return LeasedGpus(tuple(taken), tuple(fds))


def expected_gpus(
    num_needed: int, wanted: Sequence[int] | None, host: Sequence[HostGpu], visible: str | None
) -> tuple[HostGpu, ...]:
    """Return the GPUs that `take_gpus` leases once the run that has them has ended.

    A GPU that is in use and leased to nobody is not a run's: it may be in use for ever. Where too few are left, they
    are returned.
    """
    expected = [gpu for gpu in _allowed(wanted, host, visible) if wanted is not None or not _is_foreign(gpu)]
    return tuple(expected[:num_needed])


def open_lease(gpu: HostGpu) -> int:
    """Return a descriptor of a GPU's lease that does not hold it yet: `take_gpus` takes it by that."""
    return open_lock(lease_path(gpu.uuid, lock_folder()))


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


def within_allocation(
    wanted: Sequence[int] | None, host: Sequence[HostGpu], env: Mapping[str, str]
) -> Sequence[int] | None:
    """Return the wanted GPUs; None, any of the visible ones, where the scheduler has dealt others: it chooses.

    Without SLURM or Kubernetes, GPUs that are wanted and not visible stay wanted, and `take_gpus` refuses them.
    """
    if wanted is None or DEALT.isdisjoint(env):
        return wanted
    dealt = {gpu.index for gpu in visible_gpus(host, env.get(VISIBLE))}
    return wanted if dealt.issuperset(wanted) else None


def _allowed(wanted: Sequence[int] | None, host: Sequence[HostGpu], visible: str | None) -> list[HostGpu]:
    allowed = visible_gpus(host, visible)
    return allowed if wanted is None else _wanted(wanted, allowed, visible)


def _is_foreign(gpu: HostGpu) -> bool:
    if not gpu.processes or (fd := take_lock(lease_path(gpu.uuid, lock_folder()))) is None:
        return False
    os.close(fd)
    return True


def _lease(gpu: HostGpu, leases: Path, opened: Mapping[str, int]) -> int | None:
    fd = opened.get(gpu.uuid)
    if fd is None or not os.fstat(fd).st_nlink:  # removed, as cleaners of /tmp do: others lock what took its place
        return take_lock(lease_path(gpu.uuid, leases))
    return os.dup(fd) if take_opened_lock(fd) else None


def _wanted(wanted: Sequence[int], allowed: Sequence[HostGpu], visible: str | None) -> list[HostGpu]:
    by_index = {gpu.index: gpu for gpu in allowed}
    missing = [index for index in wanted if index not in by_index]
    if missing:
        limit = f" (CUDA_VISIBLE_DEVICES={visible})" if visible is not None else ""
        raise ConfigError(f"serving.gpus: no GPU {missing}; expected among {sorted(by_index)}{limit}")
    return [by_index[index] for index in wanted]


def _in_use(gpu: HostGpu) -> str | None:
    return f"GPU {gpu.index} is in use by {', '.join(gpu.processes)}" if gpu.processes else None


def lease_path(uuid: str, leases: Path) -> Path:
    """Return the path of the lock that keeps the GPU with this UUID for one run."""
    return leases / f"llmdvfs-{uuid}.lock"
