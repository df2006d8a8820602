"""Refuses engine arguments and variables that would contradict what is recorded, and names the key to use.

vLLM takes the last of two equal flags, and a variable of the configuration wins over the project's own. What run.json
says of GPUs, ports and sizes would then be another server's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from llmdvfs.records.spec import EngineSpec

CHOSEN_AT_START = "chosen when the servers start, on loopback; leave it out"
NO_FLAGS = {"extra_args", "env", "cpu_kv_cache_gib", "omp_num_threads"}
FLAGS = {
    **{f"--{item.name.replace('_', '-')}": item.name for item in fields(EngineSpec) if item.name not in NO_FLAGS},
    "-tp": "tensor_parallel_size",
}
"""Flag of vLLM -> the key of serving.engine that sets it."""
OTHER_FLAGS = {
    "--host": CHOSEN_AT_START,
    "--port": CHOSEN_AT_START,
    "--uds": CHOSEN_AT_START,
    "--model": "name it in models.NAME.location",
    "--served-model-name": "name it in models.NAME.served_name",
    "--kv-transfer-config": "choose it by serving.connector",
    "--config": "a file that nobody records: write what it says in serving.engine",
}
VARIABLES = {
    "CUDA_VISIBLE_DEVICES": "name GPUs in serving.gpus",
    "CUDA_DEVICE_ORDER": "GPUs are counted as NVML counts them; name them in serving.gpus",
    "NVIDIA_VISIBLE_DEVICES": "name GPUs in serving.gpus",
    "VLLM_CPU_KVCACHE_SPACE": "set serving.engine.cpu_kv_cache_gib",
    "OMP_NUM_THREADS": "set serving.engine.omp_num_threads",
    "VLLM_SERVER_DEV_MODE": "it goes with serving.engine.enable_prefix_caching",
    "VLLM_HOST_IP": CHOSEN_AT_START,
    "VLLM_PORT": CHOSEN_AT_START,
    "VLLM_NIXL_SIDE_CHANNEL_HOST": CHOSEN_AT_START,
    "VLLM_NIXL_SIDE_CHANNEL_PORT": CHOSEN_AT_START,
    "PYTHONPATH": "servers would import another library than is recorded; name a Python in serving.python",
}
OWN_PREFIX = "LLMDVFS_"


def overrides(config: Mapping[str, Any]) -> list[str]:
    """Return one line for every argument or variable of a complete configuration that must be set otherwise."""
    serving = config["serving"]
    engines = {"serving.engine": serving["engine"]}
    engines |= {f"serving.engine_by_role.{role}": engine for role, engine in serving["engine_by_role"].items()}
    return [line for place, engine in engines.items() for line in _of_engine(place, engine)]


def _of_engine(place: str, engine: Mapping[str, Any]) -> Iterator[str]:
    for flag, instead in _flags(engine.get("extra_args", ())):
        yield f"{place}.extra_args: {flag}: contradicts what is recorded of the server: {instead}"
    for name in engine.get("env", {}):
        if name in VARIABLES or name.startswith(OWN_PREFIX):
            instead = VARIABLES.get(name, "a variable of this project's own; leave it out")
            yield f"{place}.env.{name}: contradicts what is recorded of the server: {instead}"


def _flags(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each refused flag as it was given, and what to use in its place.

    vLLM reads `_` as `-`, takes beginnings of names, `--no-` before switches, and `.` for what is inside of a value.
    """
    refused = OTHER_FLAGS | {flag: f"set serving.engine.{key}" for flag, key in FLAGS.items()}
    for argument in arguments:
        given = argument.partition("=")[0]
        name = given.partition(".")[0].replace("_", "-")
        positive = name.replace("--no-", "--", 1)
        meant = next((flag for flag in refused if flag.startswith(positive)), None) if len(positive) > 2 else None
        if meant is not None and positive.startswith("-"):
            yield given, refused[meant]
        elif name.startswith("-tp"):
            yield given, refused["-tp"]
