"""Recognises in a server's log why it did not start or died (pure)."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """One known cause: the pattern of its line in the log, and which key of the configuration to change."""

    name: str
    pattern: str
    remedy: str


# The first match wins: specific before general. Patterns are searched line by line, without regard to case.
CAUSES: tuple[Cause, ...] = (
    Cause(
        "port already in use",
        r"address already in use|errno 98",
        "stop what listens there, or leave the port unset so that a free one is found",
    ),
    Cause(
        "folder of temporary files too long for vLLM's sockets",
        r"ipc path .* is longer than \d+ characters",
        "set TMPDIR to a shorter path",
    ),
    Cause(
        "not enough memory for the KV cache",
        r"no available memory for the cache blocks"
        r"|larger than the maximum number of tokens that can be stored in kv cache"
        r"|kv cache is needed, which is larger than the available",
        "raise serving.engine.gpu_memory_utilization (on a CPU: cpu_kv_cache_gib, num_gpu_blocks_override) "
        "or lower serving.engine.max_model_len",
    ),
    Cause(
        "GPU memory already taken by others",
        r"free memory on device .* is less than desired gpu memory utilization",
        "end what else runs on the GPU, choose other GPUs, or lower serving.engine.gpu_memory_utilization",
    ),
    Cause(
        "out of GPU memory",
        r"cuda out of memory|outofmemoryerror|cublas_status_alloc_failed|cuda error: out of memory",
        "lower gpu_memory_utilization, max_num_seqs or max_num_batched_tokens of serving.engine, or raise its "
        "tensor_parallel_size",
    ),
    Cause(
        "not enough host memory",
        r"available memory on node .* is less than|cannot allocate memory|can't allocate memory|\bmemoryerror",
        "lower serving.engine.cpu_kv_cache_gib or serving.engine.num_gpu_blocks_override, or use fewer instances",
    ),
    Cause(
        "KV transfer configuration refused",
        r"validation errors? for kvtransferconfig|argument --kv-transfer-config.*",
        "choose another connector, or an engine version that the connector table supports",
    ),
    Cause(
        "unknown flag",
        r"unrecognized arguments?:.*",
        "remove it from serving.engine.extra_args, or use an engine version that has it",
    ),
    Cause(
        "wrong value of a flag",
        r"api_server\.py: error: .*|argument --[\w/-]+.*: (invalid|expected).*",
        "correct the engine setting of that name, or serving.engine.extra_args",
    ),
    Cause(
        "KV connector not in this engine",
        r"unsupported connector type.*|no module named .*kv_connector.*|nixl is not available"
        r"|p2pncclconnector.*not (found|supported)",
        "choose another connector (serving.connector), or install what it needs (NIXL: the nixl package)",
    ),
    Cause(
        "context longer than the model's",
        r"user-specified max_model_len \(\d+\) is greater than.*",
        "lower serving.engine.max_model_len",
    ),
    Cause(
        "token budget below the context length",
        r"max_num_batched_tokens \(?\d+\)? is (smaller|less) than max_model_len.*",
        "raise serving.engine.max_num_batched_tokens, or lower serving.engine.max_model_len",
    ),
    Cause(
        "tensor parallel size does not fit the model",
        r"total number of attention heads.*must be divisible by tensor parallel size.*",
        "choose a serving.engine.tensor_parallel_size that divides the model's heads",
    ),
    Cause(
        "model architecture not supported",
        r"model architectures .* are not supported.*|does not recognize this architecture",
        "use a newer engine, or another model",
    ),
    Cause(
        "model not found",
        r"repository not found|is not a local folder and is not a valid model identifier|localentrynotfounderror:"
        r"|cannot find any model weights.*|offlinemodeisenabled:|hfvalidationerror:"
        r"|invalid repository id or local directory",
        "check models.NAME.location (a folder, or a hub name; gated ones need HF_TOKEN in the environment)",
    ),
    Cause(
        "missing file",
        r"(filenotfounderror|no such file or directory).*",
        "check the model folder and the paths in the configuration",
    ),
    Cause(
        "too few GPUs",
        r"world size \(?\d+\)? is larger than the number of available gpus.*"
        r"|invalid device ordinal|no cuda gpus are available",
        "lower serving.engine.tensor_parallel_size or the number of instances, or check CUDA_VISIBLE_DEVICES",
    ),
    Cause(
        "GPU driver too old or missing",
        r"the nvidia driver on your system is too old.*|cuda driver version is insufficient.*|found no nvidia driver.*",
        "update the driver, or use an engine built for it (envs/)",
    ),
    Cause(
        "NCCL error",
        r"nccl error.*|ncclunhandledcudaerror.*|ncclsystemerror.*|distbackenderror.*",
        "run once with NCCL_DEBUG=INFO in serving.engine.env; see whether the GPUs reach each other "
        "(`nvidia-smi topo -p2p r`)",
    ),
    Cause(
        "CUDA error",
        r"cuda error: .*|cuda kernel errors.*|cudnn_status_.*",
        "look at `dmesg` for Xid messages; try serving.engine.enforce_eager: true",
    ),
    Cause(
        "engine's Python lacks a package",
        r"modulenotfounderror: .*|importerror: .*",
        "install it where serving.python points, from the lock in envs/",
    ),
)

MAX_EVIDENCE = 300  # characters of a log line in a message
_HARMLESS = re.compile(r"\b(INFO|DEBUG|WARNING)\b")
_ERROR_LINE = re.compile(r"(\w+Error|\w+Exception|error):? .*", re.IGNORECASE)
_PYDANTIC_TAIL = re.compile(r" \[type=\w+, input_value=.*")
_LOG_PREFIX = re.compile(r"^\(\w+[^)]*pid=\d+\)\s*|^(ERROR|WARNING|INFO) [\d-]+ [\d:.]+ \[[^\]]*\]\s*")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a log shows: the cause in words, the line that shows it, and what to do."""

    cause: str
    evidence: str
    remedy: str

    def __str__(self) -> str:
        """Return cause, evidence and remedy as one message."""
        return f"{self.cause}: {self.evidence}; {self.remedy}"


def diagnose(log: str) -> Diagnosis | None:
    """Return the known cause that a log shows; None where it shows none."""
    lines = log.splitlines()
    for cause in CAUSES:
        pattern = re.compile(cause.pattern, re.IGNORECASE)
        for line in lines:
            if pattern.search(line) and not _HARMLESS.search(line):
                return Diagnosis(cause.name, _clean(line), cause.remedy)
    return None


def last_error_line(log: str) -> str | None:
    """Return the last line that names an error, else the last line; None where the log is empty."""
    errors = [line for line in log.splitlines() if _ERROR_LINE.search(line) and not _HARMLESS.search(line)]
    return _clean(errors[-1]) if errors else last_line(log)


def last_line(log: str) -> str | None:
    """Return the last line that is not empty, without the log's own prefix."""
    lines = [line for line in log.splitlines() if line.strip()]
    return _clean(lines[-1]) if lines else None


def _clean(line: str) -> str:
    previous = None
    while line != previous:
        previous, line = line, _LOG_PREFIX.sub("", line.strip())
    return _PYDANTIC_TAIL.sub("", line)[:MAX_EVIDENCE]
