"""Says before a model is loaded whether it will fit: what cannot start by arithmetic, and what may not.

An estimate from config.json and files, not a measurement. Only what is certain stops a start, and only where nothing in
`extra_args` may change the sums; `serving.memory_check: off` leaves it all to the engine.
"""

from dataclasses import dataclass
from pathlib import Path

import psutil

from llmdvfs.models.facts import kv_bytes_per_token, least_weight_bytes, read_config, weight_bytes
from llmdvfs.records.host import HostGpu
from llmdvfs.records.spec import DeploymentSpec, EngineSpec

GIB = 2**30
CUDA_OVERHEAD_BYTES = int(1.0 * GIB)  # context, workspaces, activations: what vLLM needs at least beside the model
CPU_SERVER_BYTES = int(1.2 * GIB)  # Python, torch and buffers of one vLLM server (1.5 GiB with the tiny model)
LEAST_CPU_SERVER_BYTES = int(0.5 * GIB)  # the imports of vLLM 0.32's server alone took 0.56 GiB
VERSION_OF_LARGER_SHARE = (0, 32)  # vLLM/config/cache.py: 0.92 from here on, 0.9 before
OFF = "; serving.memory_check: off starts it all the same"

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is foreseen of a start's memory, in sentences with all numbers; both None: nothing to fear."""

    impossible: str | None = None
    """Why the engine will refuse to start."""
    doubtful: str | None = None
    """Why the engine may refuse to start."""


def host_total_bytes() -> int | None:
    """Return the memory of a host with one memory node.

    None where it has several, since which of them serves is not known.
    """
    nodes = list(Path("/sys/devices/system/node").glob("node[0-9]*"))
    return psutil.virtual_memory().total if len(nodes) <= 1 else None


def default_utilization(engine_version: Version | None) -> float:
    """Return the share of memory that the engine takes where the configuration does not say it."""
    return 0.92 if engine_version is not None and engine_version >= VERSION_OF_LARGER_SHARE else 0.9


def gpu_forecast(engine: EngineSpec, model: Path, gpu: HostGpu, engine_version: Version | None = None) -> Forecast:
    """Return what is foreseen of an instance on a GPU: its weights there, and one sequence of the greatest length."""
    utilization = engine.gpu_memory_utilization or default_utilization(engine_version)
    allowed = utilization * gpu.memory_total_bytes
    if allowed > gpu.memory_free_bytes:
        said = (
            f"GPU {gpu.index}: serving.engine.gpu_memory_utilization {utilization:g} asks for {_gib(allowed)}, but "
            f"only {_gib(gpu.memory_free_bytes)} of {_gib(gpu.memory_total_bytes)} are free; lower it or free the GPU"
        )
        return _judged(engine, said, is_certain=True)
    weights, kv = _weights(engine, weight_bytes(model, engine.dtype)), _sequence_bytes(engine, model) or 0
    if weights is None or weights + kv + CUDA_OVERHEAD_BYTES <= allowed:
        return Forecast()
    certain_kv = kv if engine.num_gpu_blocks_override is None else 0  # an override is taken as it is
    least = _weights(engine, least_weight_bytes(model, engine.dtype))
    said = (
        f"GPU {gpu.index} ({gpu.name}): about {_gib(weights + kv + CUDA_OVERHEAD_BYTES)} needed (weights "
        f"{_gib(weights)}, one sequence's KV cache {_gib(kv)}, overhead {_gib(CUDA_OVERHEAD_BYTES)}), {_gib(allowed)} "
        f"allowed (serving.engine.gpu_memory_utilization {utilization:g} of {_gib(gpu.memory_total_bytes)}); raise "
        "serving.engine.tensor_parallel_size or gpu_memory_utilization, or lower max_model_len"
    )
    return _judged(engine, said, is_certain=least is not None and least + certain_kv > allowed)


def host_forecast(
    deployment: DeploymentSpec,
    model: Path,
    available_bytes: int,
    *,
    total_bytes: int | None = None,
    engine_version: Version | None = None,
) -> Forecast:
    """Return what is foreseen of a CPU deployment's servers, all of them together.

    total_bytes: memory of the host, if it has only one memory node; None: the engine's own claim is not foreseen.
    """
    needed = certain = 0
    for role, count in deployment.num_instances.items():
        engine = deployment.engine[role]
        claim = _cpu_claim(engine, total_bytes, engine_version)
        if claim is not None and claim > available_bytes:
            said = (
                f"{deployment.id}: without serving.engine.cpu_kv_cache_gib the engine claims {_gib(claim)}, its share "
                f"of {_gib(total_bytes or 0)}, and refuses to start, since {_gib(available_bytes)} are available; set "
                "serving.engine.cpu_kv_cache_gib, e.g. to 4"
            )
            return _judged(engine, said, is_certain=True)
        kv = _cpu_kv_bytes(engine, model)
        needed += count * (CPU_SERVER_BYTES + (weight_bytes(model, engine.dtype) or 0) + kv)
        certain += count * (LEAST_CPU_SERVER_BYTES + (least_weight_bytes(model, engine.dtype) or 0) + kv)
    if needed <= available_bytes:
        return Forecast()
    said = (
        f"{deployment.id}: about {_gib(needed)} of memory needed for {sum(deployment.num_instances.values())} "
        f"servers, {_gib(available_bytes)} available; lower serving.engine.cpu_kv_cache_gib or "
        "num_gpu_blocks_override, or use fewer instances"
    )
    engines = list(deployment.engine.values())
    is_plain = not any(engine.extra_args for engine in engines)
    return Forecast(said + OFF) if is_plain and certain > available_bytes else Forecast(doubtful=said)


def _judged(engine: EngineSpec, said: str, *, is_certain: bool) -> Forecast:
    """Return the forecast; with arguments that are passed on unread, which may change every sum, nothing is certain."""
    return Forecast(impossible=said + OFF) if is_certain and not engine.extra_args else Forecast(doubtful=said)


def _weights(engine: EngineSpec, whole: int | None) -> int | None:
    """Return the bytes of weights on one GPU."""
    if whole is None:
        return None
    return max(0, whole // engine.tensor_parallel_size - int((engine.cpu_offload_gb or 0) * GIB))


def _sequence_bytes(engine: EngineSpec, model: Path) -> int | None:
    """Return the bytes of one sequence's KV cache on one GPU; None where there is no such constant."""
    per_token = kv_bytes_per_token(model, engine.dtype, engine.extra_args, engine.tensor_parallel_size)
    length = engine.max_model_len or read_config(model).get("max_position_embeddings")
    return per_token * length if per_token is not None and isinstance(length, int) else None


def _cpu_claim(engine: EngineSpec, total_bytes: int | None, engine_version: Version | None) -> float | None:
    """Return what vLLM 0.32 and newer take of the memory node for themselves; None where the KV cache has a size."""
    if total_bytes is None or engine.cpu_kv_cache_gib is not None or engine_version is None:
        return None
    if engine_version < VERSION_OF_LARGER_SHARE or "VLLM_CPU_KVCACHE_SPACE" in engine.env:
        return None
    return (engine.gpu_memory_utilization or default_utilization(engine_version)) * total_bytes


def _cpu_kv_bytes(engine: EngineSpec, model: Path) -> int:
    per_token = kv_bytes_per_token(model, engine.dtype, engine.extra_args)
    if engine.num_gpu_blocks_override is not None and engine.block_size is not None and per_token is not None:
        return engine.num_gpu_blocks_override * engine.block_size * per_token
    return int((engine.cpu_kv_cache_gib or 0) * GIB)


def _gib(num_bytes: float) -> str:
    return f"{num_bytes / GIB:.1f} GiB"
