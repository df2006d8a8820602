"""How the process of an engine comes to be: what is asked of vLLM, and what its log says it did (pure)."""

from llmdvfs.records.run import StartMethod
from llmdvfs.records.spec import Device, EngineSpec
from llmdvfs.serving.instance.forking_server import FORKED

START_METHOD = "VLLM_WORKER_MULTIPROC_METHOD"
SPAWNED_ALL_THE_SAME = "Overriding VLLM_WORKER_MULTIPROC_METHOD to 'spawn'"
"""vLLM's own line where a process that would have forked has used CUDA (vllm/utils/system_utils.py, 0.23 and 0.32)."""


def start_method(engine: EngineSpec, device: Device) -> str:
    """Return what is asked: `fork`, which takes over what the server has imported; 17 s of a start on an H100.

    On a CPU several workers are spawned, as vLLM does it. `engine.env` may ask for another.
    """
    several_on_cpu = device == "cpu" and engine.tensor_parallel_size > 1
    return engine.env.get(START_METHOD, "spawn" if several_on_cpu else "fork")


def start_method_seen(asked: str | None, device: Device, log: str) -> StartMethod:
    """Return how the engine of a server that is ready came to be.

    asked: START_METHOD of its environment. On a CPU only the log of forking_server.py tells of a fork.
    """
    if device == "cpu":
        return "fork" if FORKED in log else "spawn"
    return "fork" if asked == "fork" and SPAWNED_ALL_THE_SAME not in log else "spawn"
