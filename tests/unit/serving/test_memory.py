"""Foresight by hand: weights and KV cache of published shapes."""

from dataclasses import replace
from pathlib import Path

import pytest

from llmdvfs.models.shapes import write_shape
from llmdvfs.models.tiny import write_tiny_model
from llmdvfs.records.host import HostGpu
from llmdvfs.records.spec import DeploymentSpec, EngineSpec, ModelSpec
from llmdvfs.serving.instance.memory import Forecast, gpu_forecast, host_forecast

GIB = 2**30
GPU = HostGpu(0, "GPU-0", "RTX 4090", 24 * GIB, 23 * GIB)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "qwen"
    write_shape(folder, "qwen3-8b")
    return folder


def doubt(engine: EngineSpec, model: Path, gpu: HostGpu = GPU, version: tuple[int, ...] = (0, 31, 0)) -> str | None:
    """Return what is doubtful; nothing may be impossible."""
    forecast = gpu_forecast(engine, model, gpu, version)
    assert forecast.impossible is None
    return forecast.doubtful


def refusal(engine: EngineSpec, model: Path, gpu: HostGpu = GPU, version: tuple[int, ...] = (0, 31, 0)) -> str:
    """Return why it is impossible."""
    forecast = gpu_forecast(engine, model, gpu, version)
    assert forecast.impossible is not None
    return forecast.impossible


def test_what_fits_is_not_commented_on(qwen: Path) -> None:
    assert doubt(EngineSpec(gpu_memory_utilization=0.9, max_model_len=8192), qwen) is None


def test_what_depends_on_an_estimate_is_said_with_numbers_and_not_vetoed(qwen: Path) -> None:
    """8.19 G weights x 2 bytes = 15.3 GiB; 40,960 tokens x 147,456 bytes = 5.6 GiB; 1 GiB overhead; 0.9 x 24 = 21.6.

    The overhead is an estimate: without it 20.9 GiB would fit.
    """
    message = doubt(EngineSpec(gpu_memory_utilization=0.9), qwen) or ""
    for words in ("about 21.9 GiB needed", "weights 15.3 GiB", "KV cache 5.6 GiB", "21.6 GiB allowed", "max_model_len"):
        assert words in message


def test_weights_and_one_sequence_beyond_what_is_allowed_are_refused(qwen: Path) -> None:
    """0.85 x 24 = 20.4 GiB are less than 15.3 + 5.6."""
    message = refusal(EngineSpec(gpu_memory_utilization=0.85), qwen)
    for words in ("20.4 GiB allowed", "serving.memory_check: off"):
        assert words in message


def test_arguments_that_nobody_reads_make_everything_doubtful(qwen: Path) -> None:
    engine = EngineSpec(gpu_memory_utilization=0.85, extra_args=("--quantization", "fp8"))
    assert "20.4 GiB allowed" in (doubt(engine, qwen) or "")


def test_tensor_parallel_halves_it(qwen: Path) -> None:
    assert doubt(EngineSpec(gpu_memory_utilization=0.9, tensor_parallel_size=2), qwen) is None


def test_cpu_offload_takes_weights_away(qwen: Path) -> None:
    assert doubt(EngineSpec(gpu_memory_utilization=0.9, cpu_offload_gb=4), qwen) is None


def test_memory_that_others_hold_is_seen(qwen: Path) -> None:
    seen = refusal(EngineSpec(max_model_len=1024), qwen, replace(GPU, memory_free_bytes=10 * GIB))
    assert "asks for 21.6 GiB, but only 10.0 GiB of 24.0 GiB are free" in seen


def test_the_share_is_the_engine_versions_own(qwen: Path) -> None:
    """vLLM 0.32 takes 0.92 x 24 = 22.08 GiB where nothing is said: with 22.0 GiB free it starts no more."""
    gpu = replace(GPU, memory_free_bytes=22 * GIB)
    assert doubt(EngineSpec(max_model_len=1024), qwen, gpu, (0, 31, 0)) is None
    assert "gpu_memory_utilization 0.92 asks for 22.1 GiB" in refusal(
        EngineSpec(max_model_len=1024), qwen, gpu, (0, 32, 0)
    )


def disaggregated(engine: EngineSpec) -> DeploymentSpec:
    return DeploymentSpec(
        "d", "disaggregated", ModelSpec("tiny", "tiny", ""), "cpu", {"prefill": engine, "decode": engine},
        {"prefill": 1, "decode": 1},
    )  # fmt: skip


def test_servers_on_a_cpu_add_up(tmp_path: Path) -> None:
    """Two servers of 1.2 GiB each, plus 1 GiB of KV cache each: 4.4 GiB and two times 6.8 MB of weights."""
    write_tiny_model(tmp_path / "tiny", 0)
    engine = EngineSpec(cpu_kv_cache_gib=1)
    assert host_forecast(disaggregated(engine), tmp_path / "tiny", 5 * GIB) == Forecast()
    seen = host_forecast(disaggregated(engine), tmp_path / "tiny", 4 * GIB)
    assert "d: about 4.4 GiB of memory needed for 2 servers, 4.0 GiB available" in (seen.doubtful or "")
    assert seen.impossible is None  # a server's own 1.2 GiB are an estimate
    assert host_forecast(disaggregated(engine), tmp_path / "tiny", 2 * GIB).impossible is not None
    few_blocks = replace(engine, num_gpu_blocks_override=512, block_size=32)  # 32 MiB instead of 1 GiB
    assert host_forecast(disaggregated(few_blocks), tmp_path / "tiny", 3 * GIB) == Forecast()


def test_an_engine_that_claims_most_of_the_host_is_foreseen(tmp_path: Path) -> None:
    """vLLM 0.32 claims 0.92 of the memory node: no ordinary machine has that free, and nothing had said so."""
    write_tiny_model(tmp_path / "tiny", 0)

    def forecast(engine: EngineSpec, version: tuple[int, ...]) -> Forecast:
        return host_forecast(
            disaggregated(engine), tmp_path / "tiny", 12 * GIB, total_bytes=16 * GIB, engine_version=version
        )

    seen = forecast(EngineSpec(), (0, 32, 0)).impossible or ""
    for words in ("claims 14.7 GiB", "12.0 GiB are available", "set serving.engine.cpu_kv_cache_gib"):
        assert words in seen
    assert forecast(EngineSpec(), (0, 31, 0)) == Forecast()
    assert forecast(EngineSpec(cpu_kv_cache_gib=1), (0, 32, 0)) == Forecast()
    assert forecast(EngineSpec(gpu_memory_utilization=0.5), (0, 32, 0)) == Forecast()
