"""Checks of the GPUs: enough of them, free, large enough, linked, and whether their clocks may be set.

Nothing is set.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from llmdvfs.connectors.version import version_tuple
from llmdvfs.doctor.model import config_folder
from llmdvfs.errors import ClockControlError
from llmdvfs.host.capabilities import SYS_ADMIN, has_capability, only_observes
from llmdvfs.hosts.gpus import host_gpus
from llmdvfs.plan.study import Study
from llmdvfs.records.counted import counted
from llmdvfs.records.doctor import Check
from llmdvfs.records.host import HostGpu
from llmdvfs.records.point import How, OperatingPoint
from llmdvfs.records.spec import DeploymentSpec
from llmdvfs.serving.instance.gpus import visible_gpus
from llmdvfs.serving.instance.memory import gpu_forecast
from llmdvfs.telemetry.identity import identify
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu, num_gpus, or_none
from llmdvfs.telemetry.rehearsal import RIGHTS
from llmdvfs.telemetry.setters.ways import setter_of
from llmdvfs.telemetry.topology import gpu_links

OTHERS: dict[How, str] = {"zeusd": "zeusd", "sudo_nvidia_smi": "sudo nvidia-smi"}
"""Who sets clocks for a process that may not."""
CLOCK_STEP_MHZ = 15  # the grid of core clocks: what lies nearer to a step is set on it


def gpus(study: Study) -> Iterator[Check]:
    """Check the driver, and that there are as many free GPUs as the largest deployment takes."""
    needed = _needed(study)
    if not needed:
        yield Check("GPUs", "ok", "none needed by this study")
        return
    try:
        count = num_gpus()
    except NvmlError as error:
        advice = "load the NVIDIA driver, or let the container see it (`nvidia-smi` must work)"
        yield Check("driver", "problem", str(error), advice)
        return
    driver = NvmlGpu(0).details()["driver"] if count else "loaded"
    names = ", ".join(sorted({NvmlGpu(index).name() for index in range(count)})) or "no GPU"
    yield Check("driver", "ok", f"{driver}; {counted(count, 'GPU')}: {names}")
    found = candidates(study)
    free = [gpu for gpu in found if not gpu.processes]
    taken = "; ".join(f"GPU {gpu.index}: {', '.join(gpu.processes)}" for gpu in found if gpu.processes)
    seen = f"{needed} needed, {len(free)} of {len(found)} free{f'; {taken}' if taken else ''}"
    if len(free) < needed:
        yield Check("GPUs", "problem", seen, "free GPUs, name others in serving.gpus, or use fewer instances")
    elif taken:
        yield Check("GPUs", "warning", seen, "others share the host's power, memory and links while you measure")
    else:
        yield Check("GPUs", "ok", seen)


def memory(study: Study) -> Iterator[Check]:
    """Check that the weights and one long sequence fit on each of the GPUs."""
    free = _free(study) if is_usable(study) else []
    for deployment in study.deployments.values():
        if not 0 < deployment.num_gpus <= len(free):
            continue  # it needs no GPU, or the check `gpus` has said that there are too few
        with config_folder(deployment.model) as folder:
            version = version_tuple(study.engine_versions["vllm"])
            refusals, doubts = ([], []) if folder is None else _memory_doubts(deployment, folder, free, version)
        if folder is None:
            yield Check("GPU memory", "ok", f"{deployment.id}: not known before the model is downloaded")
        elif len(free) - len(refusals) < deployment.num_gpus:
            yield Check("GPU memory", "problem", f"{deployment.id}: {refusals[0]}", "see the message")
        elif doubts:
            yield Check("GPU memory", "warning", f"{deployment.id}: {doubts[0]}", "see the message")
        else:
            yield Check("GPU memory", "ok", f"{deployment.id}: fits on {counted(len(free) - len(refusals), 'GPU')}")


def links(study: Study) -> Iterator[Check]:
    """Check how the GPUs reach one another, where more than one computes for a deployment."""
    if not is_usable(study) or max(deployment.num_gpus for deployment in study.deployments.values()) < 2:
        return
    found = gpu_links([gpu.index for gpu in _free(study)])
    apart = [link for link in found if not link.has_peer_access]
    linked = sum(link.is_nvlinked for link in found)
    seen = f"{len(found)} pairs, {linked} by NVLink, {len(found) - len(apart)} with peer access"
    if apart:
        first = f"; GPU {apart[0].first} and {apart[0].second} meet at: {apart[0].pcie_path.replace('_', ' ')}"
        advice = "KV transfer and tensor parallelism will go through host memory: choose linked GPUs in serving.gpus"
        yield Check("GPU links", "warning", seen + first, advice)
    else:
        yield Check("GPU links", "ok", seen)


def clocks(study: Study) -> Iterator[Check]:
    """Check whether the study's clocks and limits exist, whether it may set them, and who has set any already."""
    setting = [point for point in study.points.values() if point.asks_for_something]
    usable = is_usable(study)
    looked_at = [NvmlGpu(one.index) for one in candidates(study)] if usable else []
    if not setting:
        yield Check("clocks", "ok", "not touched: every operating point is stock")
    else:
        yield from _settable(setting, looked_at)
    for gpu in looked_at:
        yield from _held(gpu)


def _settable(points: Sequence[OperatingPoint], looked_at: Sequence[NvmlGpu]) -> Iterator[Check]:
    names = ", ".join(point.id for point in points)
    if not looked_at:
        advice = "clocks are set through the NVIDIA driver: look at the checks of driver and GPUs"
        yield Check("clocks", "warning", f"{names}: no GPU to set them on", advice)
        return
    absent = [refusal for point in points for gpu in looked_at for refusal in _absent(point, gpu)]
    if absent:
        yield Check("clocks", "problem", "; ".join(absent), "ask for what the GPUs have: nvidia-smi -q -d CLOCK,POWER")
    whose = _who_may_set(looked_at[0])
    if whose is None:
        advice = f"{RIGHTS}; otherwise these points are measured at stock clocks, and say so"
        yield Check("clocks", "warning", f"{names}: this process may not set clocks or limits", advice)
    elif not absent:
        yield Check("clocks", "ok", f"{names}: the GPUs have them, and {whose} has the right to set them")


def _who_may_set(gpu: NvmlGpu) -> str | None:
    """Return who may set clocks, as far as it can be told without setting any: this process, zeusd or sudo."""
    if not only_observes() and has_capability(SYS_ADMIN):
        return "this process"
    for how, name in OTHERS.items():
        with contextlib.suppress(ClockControlError):
            setter_of(gpu, how)
            return name
    return None


def _absent(point: OperatingPoint, gpu: NvmlGpu) -> Iterator[str]:
    """Yield what the point asks for and the GPU does not have, in words; a clock between two steps is snapped."""
    for what, asked, supported in (
        ("core clock", point.sm_clock_mhz, gpu.supported_sm_clocks_mhz),
        ("core clock", {role: low for role, low in point.sm_clock_min_mhz.items() if low}, gpu.supported_sm_clocks_mhz),
        ("memory clock", point.memory_clock_mhz, gpu.supported_memory_clocks_mhz),
    ):
        known = sorted(supported()) if asked else []
        for role, clock_mhz in asked.items():
            if min(abs(clock_mhz - one) for one in known) > CLOCK_STEP_MHZ:
                found = f"{known[0]} to {known[-1]} MHz in {len(known)} steps"
                yield f"{point.id}: GPU {gpu.index} has no {what} near {clock_mhz} MHz ({role}); it has {found}"
    low_w, high_w = gpu.power_limit_range_w() if point.power_limit_w else (0.0, 0.0)
    for role, limit_w in point.power_limit_w.items():
        if not low_w <= limit_w <= high_w:
            yield f"{point.id}: GPU {gpu.index} takes no limit of {limit_w:g} W ({role}); {low_w:g} to {high_w:g} W"


def _held(gpu: NvmlGpu) -> Iterator[Check]:
    name, found = f"GPU {gpu.index}", identify(gpu)
    if found.departs_from_stock is not None:
        default_w = found.default_power_limit_w
        limit = "" if default_w is None else f", -pl {default_w:g}"
        advice = f"nvidia-smi -i {gpu.index} with -rgc, -rmc, -rac{limit}, or leave it: the results will be marked"
        yield Check(name, "warning", f"changed by somebody: {found.departs_from_stock}", advice)
    if or_none(gpu.mig_mode):
        yield Check(name, "warning", "divided (MIG): power and clocks are the whole GPU's", "nvidia-smi -mig 0")
    if found.persistence_mode is False:
        yield Check(name, "warning", "persistence mode is off: it may idle otherwise when unused", "nvidia-smi -pm 1")


def _needed(study: Study) -> int:
    return max(deployment.num_gpus for deployment in study.deployments.values())


def is_usable(study: Study) -> bool:
    """Return whether the study needs GPUs and there is a driver to ask."""
    try:
        return bool(_needed(study) and num_gpus())
    except NvmlError:
        return False  # `gpus` has said so


def candidates(study: Study) -> list[HostGpu]:
    """Return the GPUs that the study may take: those that are named, else all that this process may use."""
    wanted = next(iter(study.deployments.values())).gpu_indices
    visible = visible_gpus(host_gpus(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    return [gpu for gpu in visible if wanted is None or gpu.index in wanted]


def _free(study: Study) -> list[HostGpu]:
    return [gpu for gpu in candidates(study) if not gpu.processes]


def _memory_doubts(
    deployment: DeploymentSpec, folder: Path, free: Sequence[HostGpu], version: tuple[int, ...]
) -> tuple[list[str], list[str]]:
    """Return a message for every GPU that a role cannot start on, and one for each that it may not fit."""
    refusals, doubts = {}, {}
    for engine in deployment.engine.values():
        for gpu in free:
            forecast = gpu_forecast(engine, folder, gpu, version)
            if forecast.impossible is not None and deployment.memory_check:
                refusals[gpu.index] = forecast.impossible
            elif said := forecast.impossible or forecast.doubtful:
                doubts[gpu.index] = said
    return list(refusals.values()), list(doubts.values())
