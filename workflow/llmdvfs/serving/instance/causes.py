"""Known causes of failed starts: how their lines in a log look, and which key to change.

The lines are vLLM's own, from logs that it wrote when made to fail (tests/unit/serving/logs, by
bench/faults/engine_failures.py), and from the sources of vLLM, torch, NCCL and NIXL where no machine could be made to.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """One known cause: how its line in the log looks, and which key to change."""

    name: str
    pattern: str
    remedy: str


# The first match wins: specific before general. Patterns are searched line by line, without regard to case, in lines
# whose level is none of INFO, DEBUG and WARNING.
CAUSES: tuple[Cause, ...] = (
    Cause(
        "port already in use",
        r"address already in use|errno 98",
        "stop what listens there, or leave the port unset so that a free one is found",
    ),
    Cause(
        "address not of this machine",
        r"cannot assign requested address|errno 99\b",
        "name an address of this machine, or leave --host out of serving.engine.extra_args",
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
        "GPU memory changed while the engine measured it",
        r"error in memory profiling|initial free memory .* current free memory",
        "let nothing else start or end on the GPU at the same time, or choose other GPUs",
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
        "no compiler, or no headers, for the engine's kernels",
        r"python\.h: no such file|failed to find c compiler|no working c\+\+ compiler found|invalidcxxcompiler"
        r"|could not find nvcc|cuda_home (environment variable )?is not set|no such file or directory: '.*(nvcc|ninja)'"
        r"|ninja is required|fatal error: [\w/.]+\.(h|hpp|cuh): no such file|cppcompileerror|c\+\+ compile error",
        "install a C++ compiler and Python's headers (python3-dev; on a GPU the CUDA toolkit, ninja), or set "
        "serving.engine.enforce_eager: true, which compiles less",
    ),
    Cause(
        "KV transfer configuration refused",
        r"validation errors? for kvtransferconfig|argument --kv-transfer-config",
        "choose another connector, or an engine version that the connector table supports",
    ),
    Cause(
        "unknown flag",
        r"unrecognized arguments?:",
        "remove it from serving.engine.extra_args, or use an engine version that has it",
    ),
    Cause(
        "wrong value of a flag",
        r"api_server\.py: error: |argument --[\w/-]+.*: (invalid|expected)",
        "correct the engine setting of that name, or serving.engine.extra_args",
    ),
    Cause(
        "KV connector not in this engine",
        r"unsupported connector type|no module named .*kv_connector|nixl is not available"
        r"|nixl.*(backend|plugin).*(not found|no plugins|failed|unavailable|not available)|nixl_err_\w+"
        r"|p2pncclconnector.*not (found|supported)",
        "choose another connector (serving.connector), or install what it needs (NIXL: the nixl package)",
    ),
    Cause(
        "context longer than the model's",
        r"user-specified max_model_len \(\d+\) is greater than",
        "lower serving.engine.max_model_len",
    ),
    Cause(
        "quantization not in this engine",
        r"unknown quantization method|quantization method .* not supported|quantization is (currently )?not supported"
        r"|quantization scheme is not supported|does not support .*quantization"
        r"|no compressed-tensors compatible scheme",
        "serve the model without it or with another method; the device and the engine's version decide which there are",
    ),
    Cause(
        "dtype not on this device",
        r"bfloat16 is only supported on gpus|dtype .* is not supported|not supported .*kv.cache.dtype"
        r"|kv_cache_dtype.*not supported|valueerror: unknown dtype",
        "set serving.engine.dtype (float16 for older GPUs), or leave --kv-cache-dtype out of serving.engine.extra_args",
    ),
    Cause(
        "attention backend not in this engine or on this device",
        r"no valid attention backend|(invalid|unknown) (value '.*' for )?attention backend"
        r"|selected backend .* is not valid",
        "leave --attention-backend out of serving.engine.extra_args and env, or name another one",
    ),
    Cause(
        "token budget below the context length",
        r"max_num_batched_tokens \(?\d+\)? is (smaller|less) than max_model_len",
        "raise serving.engine.max_num_batched_tokens, or lower serving.engine.max_model_len",
    ),
    Cause(
        "tensor parallel size does not fit the model",
        r"total number of attention heads.*must be divisible by tensor parallel size",
        "choose a serving.engine.tensor_parallel_size that divides the model's heads",
    ),
    Cause(
        "model architecture not supported",
        r"model architectures .* (are|is) not supported|does not recognize this architecture|cannot find model module",
        "use a newer engine, or another model",
    ),
    Cause(
        "model needs code of its own",
        r"contains custom code which must be executed|set the option `?trust_remote_code=true",
        "read the model's code, and pass --trust-remote-code in serving.engine.extra_args if you trust it",
    ),
    Cause(
        "weights cannot be read",
        r"safetensorerror: |safetensors_rust\.|error while deserializing header"
        r"|incomplete metadata, file not fully covered",
        "fetch the model's files again: one is cut or damaged",
    ),
    Cause(
        "weights do not fit config.json",
        r"attempted to load weight|size mismatch|shape mismatch|there is no module or parameter named"
        r"|exceeds dimension size|weights were not initialized from checkpoint|assertionerror: .*loaded_weight"
        r"|keyerror: '[\w.]*\blayers\.\d+\.",
        "take config.json and weights from the same model",
    ),
    Cause(
        "config.json cannot be read",
        r"config\.json.* is not a valid json file|it looks like the config file at .* is not a valid json"
        r"|json\.decoder\.jsondecodeerror: ",
        "fetch the model's config.json again",
    ),
    Cause(
        "tokenizer missing or damaged",
        r"can't load tokenizer for|couldn't instantiate the backend tokenizer|tokenizer.*(not found|cannot be loaded)",
        "fetch the model's tokenizer files again (tokenizer.json, tokenizer_config.json)",
    ),
    Cause(
        "model not found",
        r"repository not found|is not a local folder and is not a valid model identifier|localentrynotfounderror:"
        r"|cannot find any model weights|offlinemodeisenabled:|hfvalidationerror:"
        r"|invalid repository id or local directory",
        "check models.NAME.location (a folder, or a hub name; gated ones need HF_TOKEN in the environment)",
    ),
    Cause(
        # vLLM's example connector stores a prompt under the hash of its tokens, and looks for a preempted request,
        # when its turn comes again, under that of the prompt and what was generated of the answer.
        "KV cache of the decode instance too small, so that a request was preempted, and behind the example connector "
        "none can go on",
        r"no such file or directory: .*/(llmdvfs-)?kv(-[^/]+)?/[0-9a-f]{32}/.*\.safetensors",
        "give the decode instance more KV cache (serving.engine: gpu_memory_utilization; on a CPU cpu_kv_cache_gib, "
        "num_gpu_blocks_override) or fewer requests at once (max_num_seqs), or choose another connector",
    ),
    Cause(
        "missing file",
        r"filenotfounderror|no such file or directory|appears path-like, but doesn't exist",
        "check the model folder and the paths in the configuration",
    ),
    Cause(
        "GPU fabric not ready (NVSwitch)",
        r"error 802|system not yet initialized",
        "start nvidia-fabricmanager in the driver's own version, and wait until `nvidia-smi -q` says Fabric: Completed",
    ),
    Cause(
        "engine built for other GPUs",
        r"no kernel image is available|is not compatible with the current pytorch installation",
        "use an engine whose wheels hold code for this GPU (envs/), or another GPU",
    ),
    Cause(
        "too few GPUs",
        r"world size \(?\d+\)? is larger than the number of available gpus"
        r"|invalid device ordinal|no cuda gpus are available|nvmlerror_invalidargument"
        r"|local rank \d+ is out of bounds",
        "lower serving.engine.tensor_parallel_size or the number of instances, or check CUDA_VISIBLE_DEVICES",
    ),
    Cause(
        "GPU driver too old or missing",
        r"the nvidia driver on your system is too old|cuda driver version is insufficient|found no nvidia driver"
        r"|failed to infer device type",
        "update the driver, or use an engine built for it (envs/)",
    ),
    Cause(
        "NCCL error",
        r"nccl error|ncclunhandledcudaerror|ncclsystemerror|distbackenderror",
        "run once with NCCL_DEBUG=INFO in serving.engine.env; see whether the GPUs reach each other "
        "(`nvidia-smi topo -p2p r`)",
    ),
    Cause(
        "CUDA error",
        r"cuda error: |cuda kernel errors|cudnn_status_",
        "look at `dmesg` for Xid messages; try serving.engine.enforce_eager: true",
    ),
    Cause(
        "a program that the engine calls is missing",
        r"returned non-zero exit status 127|: command not found|fatal error: cannot (find|execute) ",
        "install it (lscpu is of util-linux, ld of binutils), or put its folder on the PATH that the engine is started "
        "with",
    ),
    Cause(
        "engine's Python lacks a package",
        r"modulenotfounderror: |importerror: ",
        "install it where serving.python points, from the lock in envs/",
    ),
    Cause(
        "configuration refused by the engine",
        r"^\s*(value|assertion) error, ",
        "correct the engine setting that it names, or serving.engine.extra_args",
    ),
)
