"""GPUs: enough of them, free, large enough, linked, and whether their clocks may be set. Nothing is set."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from llmdvfs.benchmark.gpus import host_gpus
from llmdvfs.connectors.version import version_tuple
from llmdvfs.doctor.capabilities import SYS_ADMIN, has_capability
from llmdvfs.doctor.model import config_folder
from llmdvfs.plan.study import Study
from llmdvfs.records.doctor import Check
from llmdvfs.records.host import HostGpu
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.spec import DeploymentSpec
from llmdvfs.serving.instance.gpus import visible_gpus
from llmdvfs.serving.instance.memory import gpu_forecast
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu, num_gpus
from llmdvfs.telemetry.topology import gpu_links

CLOCK_SETTING = 0x02  # clock event: somebody holds the clock


def gpus(study: Study) -> Iterator[Check]:
    """Look at the driver, and for as many free GPUs as the largest deployment takes."""
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
    yield Check("driver", "ok", f"{driver}; {count} GPUs: {names}")
    candidates = _candidates(study)
    free = [gpu for gpu in candidates if not gpu.processes]
    taken = "; ".join(f"GPU {gpu.index}: {', '.join(gpu.processes)}" for gpu in candidates if gpu.processes)
    seen = f"{needed} needed, {len(free)} of {len(candidates)} free{f'; {taken}' if taken else ''}"
    if len(free) < needed:
        yield Check("GPUs", "problem", seen, "free GPUs, name others in serving.gpus, or use fewer instances")
    elif taken:
        yield Check("GPUs", "warning", seen, "others share the host's power, memory and links while you measure")
    else:
        yield Check("GPUs", "ok", seen)


def memory(study: Study) -> Iterator[Check]:
    """Look whether weights and one long sequence fit each of the GPUs."""
    free = _free(study) if _usable(study) else []
    for deployment in study.deployments.values():
        if not 0 < deployment.num_gpus <= len(free):
            continue  # it needs none, or `gpus` has said that there are too few
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
            yield Check("GPU memory", "ok", f"{deployment.id}: fits on {len(free) - len(refusals)} GPUs")


def links(study: Study) -> Iterator[Check]:
    """Look at how the GPUs reach one another, where more than one computes for a deployment."""
    if not _usable(study) or max(deployment.num_gpus for deployment in study.deployments.values()) < 2:
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
    """Say whether the study sets clocks or limits, whether it may, and who has set them already."""
    setting = [point.id for point in study.points.values() if _settings(point)]
    if not setting:
        yield Check("clocks", "ok", "not touched: every operating point is stock")
    elif not has_capability(SYS_ADMIN):
        advice = "run as root with CAP_SYS_ADMIN; otherwise these points are measured at stock clocks, and say so"
        yield Check("clocks", "warning", f"{', '.join(setting)}: this process may not set clocks or limits", advice)
    else:
        yield Check("clocks", "ok", f"{', '.join(setting)}: this process has the right to set them")
    for gpu in (NvmlGpu(one.index) for one in (_candidates(study) if _usable(study) else ())):
        yield from _held(gpu)


def _held(gpu: NvmlGpu) -> Iterator[Check]:
    name = f"GPU {gpu.index}"
    limit_w, default_w = gpu.power_limit_w(), gpu.default_power_limit_w()
    if limit_w != default_w:
        advice = f"nvidia-smi -i {gpu.index} -pl {default_w:g}, or leave it if it is meant"
        yield Check(name, "warning", f"power limit {limit_w:g} W, default {default_w:g} W", advice)
    if gpu.clock_event_reasons() & CLOCK_SETTING:
        yield Check(name, "warning", "its clocks are locked by somebody", "nvidia-smi -rgc; nvidia-smi -rac")
    details = gpu.details()
    if details["mig_mode"]:
        yield Check(name, "warning", "divided (MIG): power and clocks are the whole GPU's", "nvidia-smi -mig 0")
    if details["persistence_mode"] == 0:
        yield Check(name, "warning", "persistence mode is off: it may idle otherwise when unused", "nvidia-smi -pm 1")


def _settings(point: OperatingPoint) -> bool:
    return bool(point.sm_clock_mhz or point.memory_clock_mhz or point.power_limit_w)


def _needed(study: Study) -> int:
    return max(deployment.num_gpus for deployment in study.deployments.values())


def _usable(study: Study) -> bool:
    """Whether the study needs GPUs and there is a driver to ask."""
    try:
        return bool(_needed(study) and num_gpus())
    except NvmlError:
        return False  # `gpus` has said so


def _candidates(study: Study) -> list[HostGpu]:
    wanted = next(iter(study.deployments.values())).gpu_indices
    visible = visible_gpus(host_gpus(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    return [gpu for gpu in visible if wanted is None or gpu.index in wanted]


def _free(study: Study) -> list[HostGpu]:
    return [gpu for gpu in _candidates(study) if not gpu.processes]


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
