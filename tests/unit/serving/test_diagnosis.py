"""Causes recognised in logs. The lines up to "not on this machine" were written by vLLM 0.32.0 when made to fail."""

import pytest

from llmdvfs.serving.instance.diagnosis import diagnose, last_error_line, last_line

PREEMPTED = (
    "KV cache of the decode instance too small, so that a request was preempted, and behind the example connector "
    "none can go on"
)
NOISE_BEFORE = """\
(APIServer pid=15207) INFO 11-22 14:17:04 [api_utils.py:286] non-default args: {'port': 18055, 'dtype': 'bfloat16'}
(APIServer pid=15207) WARNING 11-22 14:17:16 [arg_utils.py:3005] CUDA out of memory may follow if this is ignored.
(EngineCore pid=15300) INFO 11-22 14:17:27 [core.py:133] Initializing a V1 LLM engine (v0.32.0)
"""
NOISE_AFTER = """
(APIServer pid=15207) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
/usr/lib/python3.11/multiprocessing/resource_tracker.py:254: UserWarning: resource_tracker: There appear to be 1 leaked
"""


@pytest.mark.parametrize(
    ("line", "cause", "key"),
    [
        ("OSError: [Errno 98] Address already in use", "port already in use", "free one is found"),
        (
            'zmq.error.ZMQError: ipc path "/tmp/a/long/way/971e8fcf" is longer than 107 characters (sizeof(sun_path)).',
            "folder of temporary files too long for vLLM's sockets",
            "TMPDIR",
        ),
        ("api_server.py: error: unrecognized arguments: --no-such-flag", "unknown flag", "extra_args"),
        (
            "api_server.py: error: argument --max-num-seqs: invalid int value: 'abc'",
            "wrong value of a flag",
            "the engine setting of that name",
        ),
        (
            "api_server.py: error: argument --kv-transfer-config: 1 validation error for KVTransferConfig",
            "KV transfer configuration refused",
            "another connector",
        ),
        (
            "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or "
            "'namespace/repo_name': '/nonexistent/folder'. Use `repo_type` argument if needed.",
            "model not found",
            "models.NAME.location",
        ),
        (
            "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder",
            "model not found",
            "HF_TOKEN",
        ),
        (
            "  Value error, User-specified max_model_len (99999) is greater than the derived max_model_len "
            "(max_position_embeddings=8192.0 or model_max_length=None in model's config.json).",
            "context longer than the model's",
            "max_model_len",
        ),
        (
            "  Value error, Unsupported connector type: P2pNcclConnector [type=value_error, input_value=ArgsKwargs()]",
            "KV connector not in this engine",
            "serving.connector",
        ),
        ("RuntimeError: NIXL is not available", "KV connector not in this engine", "the nixl package"),
        (
            "  Value error, max_num_batched_tokens (512) is smaller than max_model_len (1024). This effectively limits",
            "token budget below the context length",
            "max_num_batched_tokens",
        ),
        (
            "  Value error, Total number of attention heads (4) must be divisible by tensor parallel size (3).",
            "tensor parallel size does not fit the model",
            "tensor_parallel_size",
        ),
        (
            "(EngineCore pid=1) ERROR 11-22 14:27:00 [core.py:1510] ValueError: Available memory on node 0 (13.67/15.59"
            " GiB) on kv cache allocation is less than requested memory for kv (1000.0 GiB).",
            "not enough host memory",
            "cpu_kv_cache_gib",
        ),
        (
            "ValueError: To serve at least one request with the model's max seq len (4096), (0.01 GiB KV cache is "
            "needed, which is larger than the available KV cache memory (0.0 GiB).",
            "not enough memory for the KV cache",
            "max_model_len",
        ),
        # From vLLM's, torch's and NCCL's sources: not on this machine.
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 594.00 MiB. GPU 0 has a total capacity of "
            "23.64 GiB of which 113.00 MiB is free.",
            "out of GPU memory",
            "gpu_memory_utilization",
        ),
        (
            "ValueError: Free memory on device cuda:0 (10.1/79.1 GiB) on startup is less than desired GPU memory "
            "utilization (0.9, 71.2 GiB).",
            "GPU memory already taken by others",
            "choose other GPUs",
        ),
        (
            "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
            "not enough memory for the KV cache",
            "raise serving.engine.gpu_memory_utilization",
        ),
        (
            "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:3690, unhandled system error",
            "NCCL error",
            "NCCL_DEBUG=INFO",
        ),
        ("RuntimeError: CUDA error: an illegal memory access was encountered", "CUDA error", "Xid"),
        ("RuntimeError: CUDA error: invalid device ordinal", "too few GPUs", "CUDA_VISIBLE_DEVICES"),
        ("RuntimeError: The NVIDIA driver on your system is too old (found version 12020).", "GPU driver", "driver"),
        ("ValueError: Model architectures ['NewLM'] are not supported for now.", "model architecture", "newer engine"),
        ("ModuleNotFoundError: No module named 'flashinfer'", "engine's Python lacks a package", "serving.python"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/m/tokenizer.json'", "missing file", "model folder"),
        (
            "(EngineCore pid=4077) ERROR 11-29 22:34:23 [core.py:1512] FileNotFoundError: No such file or directory: "
            "/r/start-5dcd5c042c34/kv/f12c4562e75dff075a3d1fd3c0043637/model.layers.0.self_attn.attn.safetensors",
            PREEMPTED,
            "max_num_seqs",
        ),
        (
            "FileNotFoundError: No such file or directory: "
            "/shared/llmdvfs-kv-5dcd5c042c34/f12c4562e75dff075a3d1fd3c0043637/model.layers.0.self_attn.attn.safetensors",
            PREEMPTED,
            "another connector",
        ),
        ("FileNotFoundError: No such file or directory: /m/kv/model-1.safetensors", "missing file", "model folder"),
    ],
)
def test_a_known_cause_is_found_among_noise(line: str, cause: str, key: str) -> None:
    found = diagnose(NOISE_BEFORE + line + NOISE_AFTER)
    assert found is not None
    assert found.cause.startswith(cause)
    assert key in found.remedy
    assert found.evidence in line
    assert "[type=" not in found.evidence


def test_warnings_are_no_causes() -> None:
    assert diagnose(NOISE_BEFORE) is None


def test_an_unknown_cause_is_not_guessed() -> None:
    log = NOISE_BEFORE + "(EngineCore pid=9) ERROR 11-22 14:17:30 [core.py:1] KeyError: 'rope'\nsomething later\n"
    assert diagnose(log) is None
    assert last_error_line(log) == "KeyError: 'rope'"


def test_progress_is_the_last_line_without_its_prefix() -> None:
    assert last_line(NOISE_BEFORE + "\n") == "Initializing a V1 LLM engine (v0.32.0)"
    assert last_error_line(NOISE_BEFORE) == "Initializing a V1 LLM engine (v0.32.0)"
    assert last_line("") is None
    assert last_error_line("\n") is None


def test_a_diagnosis_is_one_message() -> None:
    assert str(diagnose("OSError: [Errno 98] Address already in use")) == (
        "port already in use: OSError: [Errno 98] Address already in use; "
        "stop what listens there, or leave the port unset so that a free one is found"
    )
