"""Foresight by hand: weights and KV cache of published shapes."""

from dataclasses import replace
from pathlib import Path

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.models.shapes import write_shape
from llmdvfs.models.tiny import write_tiny_model
from llmdvfs.records.host import HostGpu
from llmdvfs.records.spec import DeploymentSpec, EngineSpec, ModelSpec
from llmdvfs.serving.instance.memory import check_gpu_memory, check_host_memory

GIB = 2**30
GPU = HostGpu(0, "GPU-0", "RTX 4090", 24 * GIB, 23 * GIB)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "qwen"
    write_shape(folder, "qwen3-8b")
    return folder


def test_what_fits_is_not_commented_on(qwen: Path) -> None:
    check_gpu_memory(EngineSpec(gpu_memory_utilization=0.9, max_model_len=8192), qwen, GPU)


def test_too_large_a_context_is_foreseen_with_numbers(qwen: Path) -> None:
    """8.19 G weights x 2 bytes = 15.3 GiB; 40,960 tokens x 147,456 bytes = 5.6 GiB; 1 GiB overhead; 0.9 x 24 = 21.6."""
    with pytest.raises(ConfigError) as refused:
        check_gpu_memory(EngineSpec(gpu_memory_utilization=0.9), qwen, GPU)
    message = str(refused.value)
    for words in ("about 21.9 GiB needed", "weights 15.3 GiB", "KV cache 5.6 GiB", "21.6 GiB allowed", "max_model_len"):
        assert words in message


def test_tensor_parallel_halves_it(qwen: Path) -> None:
    check_gpu_memory(EngineSpec(gpu_memory_utilization=0.9, tensor_parallel_size=2), qwen, GPU)


def test_cpu_offload_takes_weights_away(qwen: Path) -> None:
    check_gpu_memory(EngineSpec(gpu_memory_utilization=0.9, cpu_offload_gb=4), qwen, GPU)


def test_memory_that_others_hold_is_seen(qwen: Path) -> None:
    with pytest.raises(ConfigError, match=r"asks for 21\.6 GiB, but only 10\.0 GiB of 24\.0 GiB are free"):
        check_gpu_memory(EngineSpec(max_model_len=1024), qwen, replace(GPU, memory_free_bytes=10 * GIB))


def test_servers_on_a_cpu_add_up(tmp_path: Path) -> None:
    """Two servers of 1.2 GiB each, plus 1 GiB of KV cache each: 4.4 GiB and two times 6.8 MB of weights."""
    write_tiny_model(tmp_path / "tiny", 0)
    engine = EngineSpec(cpu_kv_cache_gib=1)
    deployment = DeploymentSpec(
        "d", "disaggregated", ModelSpec("tiny", "tiny", ""), "cpu", {"prefill": engine, "decode": engine},
        {"prefill": 1, "decode": 1},
    )  # fmt: skip
    check_host_memory(deployment, tmp_path / "tiny", 5 * GIB)
    with pytest.raises(ConfigError, match=r"d: about 4\.4 GiB of memory needed for 2 servers, 4\.0 GiB available"):
        check_host_memory(deployment, tmp_path / "tiny", 4 * GIB)
    few_blocks = replace(engine, num_gpu_blocks_override=512, block_size=32)  # 32 MiB instead of 1 GiB
    check_host_memory(
        replace(deployment, engine={"prefill": few_blocks, "decode": few_blocks}), tmp_path / "tiny", 3 * GIB
    )
