"""Whether a model will fit, said before it is loaded: an estimate from config.json, not a measurement."""

from pathlib import Path

from llmdvfs.errors import ConfigError
from llmdvfs.models.facts import kv_bytes_per_token, read_config, weight_bytes
from llmdvfs.records.host import HostGpu
from llmdvfs.records.spec import DeploymentSpec, EngineSpec

GIB = 2**30
DEFAULT_GPU_MEMORY_UTILIZATION = 0.9  # vLLM's own, where the configuration leaves it open
CUDA_OVERHEAD_BYTES = int(1.0 * GIB)  # context, workspaces, activations: what vLLM needs at least beside the model
CPU_SERVER_BYTES = int(1.2 * GIB)  # Python, torch and buffers of one vLLM server (1.5 GiB with the tiny model)


def check_gpu_memory(engine: EngineSpec, model: Path, gpu: HostGpu) -> None:
    """Raise ConfigError where weights and one sequence of the longest length cannot fit on a GPU; numbers in it."""
    utilization = engine.gpu_memory_utilization or DEFAULT_GPU_MEMORY_UTILIZATION
    allowed = utilization * gpu.memory_total_bytes
    if allowed > gpu.memory_free_bytes:
        raise ConfigError(
            f"GPU {gpu.index}: serving.engine.gpu_memory_utilization {utilization:g} asks for {_gib(allowed)}, but "
            f"only {_gib(gpu.memory_free_bytes)} of {_gib(gpu.memory_total_bytes)} are free; lower it or free the GPU"
        )
    weights, kv = _needs(engine, model)
    if weights is None:
        return
    needed = weights + (kv or 0) + CUDA_OVERHEAD_BYTES
    if needed > allowed:
        raise ConfigError(
            f"GPU {gpu.index} ({gpu.name}): about {_gib(needed)} needed (weights {_gib(weights)}, one sequence's KV "
            f"cache {_gib(kv or 0)}, overhead {_gib(CUDA_OVERHEAD_BYTES)}), {_gib(allowed)} allowed "
            f"(serving.engine.gpu_memory_utilization {utilization:g} of {_gib(gpu.memory_total_bytes)}); raise "
            "serving.engine.tensor_parallel_size or gpu_memory_utilization, or lower max_model_len"
        )


def check_host_memory(deployment: DeploymentSpec, model: Path, available_bytes: int) -> None:
    """Raise ConfigError where a CPU deployment's servers together cannot fit into the host's memory."""
    parts = []
    for role, count in deployment.num_instances.items():
        engine = deployment.engine[role]
        weights, _ = _needs(engine, model)
        parts.append(count * (CPU_SERVER_BYTES + (weights or 0) + _cpu_kv_bytes(engine, model)))
    if sum(parts) > available_bytes:
        raise ConfigError(
            f"{deployment.id}: about {_gib(sum(parts))} of memory needed for {sum(deployment.num_instances.values())} "
            f"servers, {_gib(available_bytes)} available; lower serving.engine.cpu_kv_cache_gib or "
            "num_gpu_blocks_override, or use fewer instances"
        )


def _needs(engine: EngineSpec, model: Path) -> tuple[int | None, int | None]:
    """Return bytes of weights and of one sequence's KV cache on one GPU."""
    size = engine.tensor_parallel_size
    weights = weight_bytes(model, engine.dtype)
    if weights is not None:
        weights = max(0, weights // size - int((engine.cpu_offload_gb or 0) * GIB))
    per_token = kv_bytes_per_token(model, engine.dtype)
    length = engine.max_model_len or read_config(model).get("max_position_embeddings")
    return weights, per_token * int(length) // size if per_token is not None and length else None


def _cpu_kv_bytes(engine: EngineSpec, model: Path) -> int:
    per_token = kv_bytes_per_token(model, engine.dtype)
    if engine.num_gpu_blocks_override is not None and engine.block_size is not None and per_token is not None:
        return engine.num_gpu_blocks_override * engine.block_size * per_token
    return int((engine.cpu_kv_cache_gib or 0) * GIB)


def _gib(num_bytes: float) -> str:
    return f"{num_bytes / GIB:.1f} GiB"
