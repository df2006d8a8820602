"""What a started engine says of its KV cache corrects what config.json foresaw."""

from pathlib import Path

import pytest

from llmdvfs.models.shapes import write_shape
from llmdvfs.records.job import LaunchRecord
from llmdvfs.records.run import InstanceRecord, KvCacheMade, ServerStart
from llmdvfs.records.spec import DeploymentSpec, EngineSpec, ModelSpec
from llmdvfs.serving.kv_size import settled_kv_bytes

GIB = 2**30
PER_TOKEN = 2 * 36 * 8 * 128 * 2  # Qwen3-8B


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "shape-qwen3-8b"
    write_shape(folder, "qwen3-8b")
    return folder


def launch(model: Path, engine: EngineSpec, foreseen: int | None = PER_TOKEN) -> LaunchRecord:
    deployment = DeploymentSpec(
        "d", "single", ModelSpec("q", "shape", "qwen3-8b"), "cuda", {"single": engine}, {"single": 1}
    )
    return LaunchRecord(deployment, str(model), "q", {"vllm": "0.32.0"}, foreseen, (), "none")


def started(made: KvCacheMade | None) -> ServerStart:
    instance = InstanceRecord("single-0", "single", "", (), {}, ("gpu0",), 1, 1.0, "logs/single-0.log", made)
    return ServerStart("s", 0.0, (instance,), {"vllm": "0.32.0"})


@pytest.mark.parametrize("made", [KvCacheMade(402_752, int(55.31 * GIB)), KvCacheMade(402_752, None), None])
def test_a_forecast_that_the_engine_does_not_contradict_stays(model: Path, made: KvCacheMade | None) -> None:
    assert settled_kv_bytes(launch(model, EngineSpec(max_model_len=8192)), started(made)) == (PER_TOKEN, ())


def test_an_engine_that_made_another_cache_makes_it_null_and_is_named(model: Path) -> None:
    """Half the bytes: an engine that took an 8-bit cache by itself, say. Sizes of transfers were twice too large."""
    settled, said = settled_kv_bytes(
        launch(model, EngineSpec(max_model_len=8192)), started(KvCacheMade(805_504, int(55.31 * GIB)))
    )
    assert settled is None
    assert len(said) == 1
    for words in ("single-0", "of 73,7", "foresees 147,456", "logs/single-0.log"):
        assert words in said[0]


def test_a_rank_is_held_against_its_own_share(model: Path) -> None:
    """On two ranks each keeps 4 of the 8 heads: 55.31 GiB hold twice as many tokens, and nothing is wrong."""
    engine = EngineSpec(max_model_len=8192, tensor_parallel_size=2)
    assert settled_kv_bytes(launch(model, engine), started(KvCacheMade(805_504, int(55.31 * GIB)))) == (PER_TOKEN, ())


def test_a_model_without_a_constant_has_none_afterwards(model: Path) -> None:
    assert settled_kv_bytes(launch(model, EngineSpec(), None), started(KvCacheMade(10, GIB))) == (None, ())
