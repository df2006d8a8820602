"""Logs of engines that were made to fail (bench/faults/engine_failures.py): the cause is named, not the wrapper."""

import re
from pathlib import Path

import pytest

from llmdvfs.serving.instance.diagnosis import diagnose, last_error_line

LOGS = Path(__file__).parent / "logs"
INSTALLATIONS = ("cpu-0.32.0", "gpu-0.23.0")
CAUSE_OF = {
    "address_of_another_host": "address not of this machine",
    "attention_backend": "attention backend not in this engine or on this device",
    "bad_dtype": "wrong value of a flag",
    "budget_below_the_context": "token budget below the context length",
    "config_is_no_json": "config.json cannot be read",
    "connector_role": "KV transfer configuration refused",
    "draft_model": "model not found",
    "fewer_layers_in_the_config": "weights do not fit config.json",
    "fp8_by_config": "configuration refused by the engine",
    "hub_model_offline": "model not found",
    "kv_cache_too_small": "not enough memory for the KV cache",
    "longer_than_the_model": "context longer than the model's",
    "needs_remote_code": "model needs code of its own",
    "nixl_not_installed": "KV connector not in this engine",
    "no_chat_template": "missing file",
    "no_config": "model not found",
    "no_model_folder": "model not found",
    "no_programs_on_the_path": "a program that the engine calls is missing",
    "no_tokenizer": "tokenizer missing or damaged",
    "no_weights": "model not found",
    "port_in_use": "port already in use",
    "quantization_not_on_this_device": "quantization not in this engine",
    "quantization_of_a_config": "quantization not in this engine",
    "quantization_without_its_weights": "weights do not fit config.json",
    "tensor_parallel_3": "tensor parallel size does not fit the model",
    "unknown_architecture": "model architecture not supported",
    "unknown_connector": "KV connector not in this engine",
    "unknown_flag": "unknown flag",
    "unknown_model_type": "model architecture not supported",
    "unknown_quantization": "quantization not in this engine",
    "value_of_a_flag": "wrong value of a flag",
    "weights_cut_in_the_data": "weights cannot be read",
    "weights_cut_in_the_header": "weights cannot be read",
    "weights_of_another_shape": "weights do not fit config.json",
}
OTHERWISE = {
    "gpu-0.23.0": {
        **dict.fromkeys(
            ("quantization_of_a_config", "quantization_not_on_this_device", "quantization_without_its_weights"),
            "engine's Python lacks a package",  # this installation had not the kernels of any quantization
        ),
        "fp8_by_config": "engine's Python lacks a package",
        "tensor_parallel_3": "too few GPUs",  # there was one
        "connector_key": "KV transfer configuration refused",
        "dtype_of_this_gpu": "dtype not on this device",
        "gpu_memory_taken": "GPU memory already taken by others",
        "gpu_too_small": "not enough memory for the KV cache",
        "more_gpus_than_there_are": "too few GPUs",
        "no_compiler": "no compiler, or no headers, for the engine's kernels",
        "no_gpu_visible": "too few GPUs",
        "no_python_headers": "no compiler, or no headers, for the engine's kernels",
        "no_such_gpu": "too few GPUs",
    }
}
"""Failures that another device or version has alone, or tells otherwise; by the folder of their logs."""
WRAPPER = re.compile(r"Engine core initialization failed|WorkerProc initialization failed|Worker failed with error")


def logs() -> list[Path]:
    return sorted(LOGS.glob("*/*.log"))


def cause_of(log: Path) -> str:
    return OTHERWISE.get(log.parent.name, {}).get(log.stem) or CAUSE_OF[log.stem]


@pytest.mark.parametrize("log", logs(), ids=lambda log: f"{log.parent.name}-{log.stem}")
def test_the_cause_is_named_and_not_what_wraps_it(log: Path) -> None:
    text = log.read_text(encoding="utf-8")
    found = diagnose(text)
    assert found is not None
    assert found.cause == cause_of(log)
    assert not found.evidence.endswith(("validation error for ModelConfig", "validation error for KVTransferConfig"))
    for said in (found.evidence, last_error_line(text) or ""):
        assert not WRAPPER.search(said)


def test_every_log_has_its_cause_and_every_cause_its_log() -> None:
    assert {log.stem for log in logs()} == set(CAUSE_OF) | set(OTHERWISE["gpu-0.23.0"])


def test_the_page_on_inputs_has_every_one_of_them() -> None:
    page = (Path(__file__).parents[3] / "docs" / "inputs.md").read_text(encoding="utf-8")
    assert set(map(row, {log.stem for log in logs()})) - set(page.splitlines()) == set()


def row(name: str) -> str:
    """Return the row of a failure: its causes on a CPU and on a GPU; nothing where it was not tried, or started."""
    paths = [LOGS / installation / f"{name}.log" for installation in INSTALLATIONS]
    causes = [cause_of(path) if path.exists() else "" for path in paths]
    return f"| {name.replace('_', ' ')} | {causes[0]} | {causes[1]} |"


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (  # its own advice names INFO, which made it "harmless"
            "(Worker_TP0 pid=9) ERROR 11-27 10:00:00 [multiproc_executor.py:953] RuntimeError: NCCL error: unhandled "
            "system error (run with NCCL_DEBUG=INFO for details)",
            "NCCL error",
        ),
        (
            "host:9:9 [0] NCCL INFO cudaDriverVersion 12080\n"
            "host:9:9 [0] NCCL INFO NET/Plugin: Could not find: libnccl-net.so, no such file or directory\n"
            "RuntimeError: No CUDA GPUs are available",
            "too few GPUs",
        ),
        (  # "missing file: check the model folder"
            "/tmp/triton/cuda_utils.c:6:10: fatal error: Python.h: No such file or directory\ncompilation terminated.",
            "no compiler, or no headers, for the engine's kernels",
        ),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/usr/local/cuda/bin/nvcc'",
            "no compiler, or no headers, for the engine's kernels",
        ),
        (
            "RuntimeError: CUDA error: no kernel image is available for execution on the device",
            "engine built for other GPUs",
        ),
        (
            "RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling "
            "NumCudaDevices() that might have already set an error? Error 802: system not yet initialized",
            "GPU fabric not ready (NVSwitch)",
        ),
        (
            "nixl._bindings.nixlNotFoundError: NIXL_ERR_NOT_FOUND: backend UCX, no plugins",
            "KV connector not in this engine",
        ),
        (
            "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU "
            "has compute capability 7.5.",
            "dtype not on this device",
        ),
        (
            "AssertionError: Error in memory profiling. Initial free memory 70.1 GiB, current free memory 75.0 GiB.",
            "GPU memory changed while the engine measured it",
        ),
    ],
)
def test_what_no_machine_here_could_be_made_to_say(log: str, cause: str) -> None:
    """Lines of the sources of vLLM, torch, Triton, NCCL and NIXL; each had another cause, or none."""
    found = diagnose(log)
    assert found is not None
    assert found.cause == cause
