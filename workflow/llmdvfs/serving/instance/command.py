"""Makes the command line and the environment of one vLLM instance, for its engine version (pure)."""

import json
from collections.abc import Sequence

from llmdvfs.connectors.connector import EngineVersion
from llmdvfs.connectors.table import CONNECTORS
from llmdvfs.records.route import KvAddresses
from llmdvfs.records.spec import DeploymentSpec, Device, EngineSpec, HostSpec, Role
from llmdvfs.serving.instance.engine_process import START_METHOD, start_method

LOOPBACK = "127.0.0.1"
IDLE_CONNECTION_S = 3600
"""vLLM closes idle connections after 5 s; a client that opened its own beforehand would find them gone."""
MODULE = "vllm.entrypoints.openai.api_server"
"""Run with -m: the `vllm` command looks for a distribution of that name, and CPU builds have another."""
WAITING = "llmdvfs.serving.instance.waiting_server"
"""Imports MODULE and what the engine's worker is made of, and waits until it is told what `server_argv` gives."""
WORKER: dict[Device, str] = {"cuda": "vllm.v1.worker.gpu_worker"}
"""What an engine that is forked would import once it holds the GPU. On a CPU the order of imports matters to vLLM."""
FORKING = "llmdvfs.serving.instance.forking_server"
"""Runs MODULE on a CPU where its engine is to be forked: vLLM would spawn it there, whatever is asked."""

# Setting -> flag, where the flag takes the setting's value. In the order in which they appear.
VALUE_FLAGS: dict[str, str] = {
    "dtype": "--dtype",
    "load_format": "--load-format",
    "max_model_len": "--max-model-len",
    "max_num_seqs": "--max-num-seqs",
    "max_num_batched_tokens": "--max-num-batched-tokens",
    "gpu_memory_utilization": "--gpu-memory-utilization",
    "block_size": "--block-size",
    "num_gpu_blocks_override": "--num-gpu-blocks-override",
    "cpu_offload_gb": "--cpu-offload-gb",
    "seed": "--seed",
}
# Setting -> flag, where true gives --FLAG and false --no-FLAG.
SWITCH_FLAGS: dict[str, str] = {
    "enforce_eager": "enforce-eager",
    "enable_prefix_caching": "enable-prefix-caching",
    "enable_chunked_prefill": "enable-chunked-prefill",
}


def server_argv(
    deployment: DeploymentSpec,
    role: Role,
    *,
    model: str,
    http_port: int,
    engine_version: EngineVersion,
    kv: KvAddresses | None,
    python: str,
    host: str = LOOPBACK,
) -> tuple[str, ...]:
    """Return the command that serves one instance; ConfigError where settings contradict the connector.

    model: a folder or a hub name. kv: the instance's own addresses; None for a deployment without a connector.
    """
    engine = deployment.engine[role]
    argv = [
        python,
        "-m",
        *_server_module(engine, deployment.device),
        "--model",
        model,
        "--served-model-name",
        deployment.model.asked_name,
    ]
    argv += ["--host", host, "--port", str(http_port)]
    # Answers carry the cached prompt tokens; a line in the log for every request would cost time under load.
    argv += ["--enable-prompt-tokens-details", "--disable-uvicorn-access-log"]
    argv += engine_flags(engine)
    if deployment.connector is not None and kv is not None:
        connector = CONNECTORS[deployment.connector]
        argv += connector.flags(role, engine)
        config = connector.kv_transfer_config(role, engine_version, deployment.device, kv)
        argv += ["--kv-transfer-config", json.dumps(config, separators=(",", ":"))]
    return (*argv, *engine.extra_args)


def waiting_argv(python: str, device: Device) -> tuple[str, ...]:
    """Return the command of a server that is prepared: it can do without flags until it is told to serve."""
    return (python, "-m", WAITING, MODULE, *([WORKER[device]] if device in WORKER else []))


def engine_flags(engine: EngineSpec) -> list[str]:
    """Return vLLM's flags for the engine's settings; what is None is left to vLLM."""
    flags: list[str] = []
    if engine.tensor_parallel_size > 1:
        flags += ["--tensor-parallel-size", str(engine.tensor_parallel_size)]
    for setting, flag in VALUE_FLAGS.items():
        value = getattr(engine, setting)
        if value is not None:
            flags += [flag, str(value)]
    for setting, flag in SWITCH_FLAGS.items():
        value = getattr(engine, setting)
        if value is not None:
            flags.append(f"--{flag}" if value else f"--no-{flag}")
    return flags


def server_env(
    deployment: DeploymentSpec,
    role: Role,
    *,
    engine_version: EngineVersion,
    kv: KvAddresses | None,
    gpus: Sequence[str] = (),
    host: str = LOOPBACK,
) -> dict[str, str]:
    """Return the variables that are set for one instance beyond the inherited environment.

    gpus: what CUDA_VISIBLE_DEVICES takes, indices or UUIDs. The configuration's own variables come last and win.
    """
    engine = deployment.engine[role]
    env = {
        START_METHOD: start_method(engine, deployment.device),
        "VLLM_HOST_IP": host,
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": str(IDLE_CONNECTION_S),
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
    }
    if deployment.model.source != "hub":
        env |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if engine.enable_prefix_caching:
        env["VLLM_SERVER_DEV_MODE"] = "1"  # opens /reset_prefix_cache, so that every cell starts with an empty cache
    env |= _cpu_env(engine) if deployment.device == "cpu" else _cuda_env(gpus)
    if deployment.connector is not None and kv is not None:
        env |= CONNECTORS[deployment.connector].env(role, engine_version, deployment.device, kv)
    return env | engine.env


def _server_module(engine: EngineSpec, device: Device) -> list[str]:
    return [FORKING, MODULE] if device == "cpu" and start_method(engine, device) == "fork" else [MODULE]


def network_env(host: HostSpec | None) -> dict[str, str]:
    """Return what makes an instance's libraries take the host's network as the study describes it."""
    if host is None:
        return {}
    env = {"NCCL_SOCKET_IFNAME": host.interface, "GLOO_SOCKET_IFNAME": host.interface}
    env |= {"UCX_NET_DEVICES": host.kv_devices}
    return {name: value for name, value in env.items() if value is not None}


def _cpu_env(engine: EngineSpec) -> dict[str, str]:
    # Without "nobind" every instance binds its threads to the same first cores.
    env = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(engine.omp_num_threads or 1)}
    if engine.cpu_kv_cache_gib is not None:
        env["VLLM_CPU_KVCACHE_SPACE"] = str(engine.cpu_kv_cache_gib)
    return env


def _cuda_env(gpus: Sequence[str]) -> dict[str, str]:
    # In PCI order CUDA counts as NVML and nvidia-smi do.
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(gpus)}
