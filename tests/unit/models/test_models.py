"""Generated models: deterministic, complete, and read back by the libraries that vLLM uses."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from llmdvfs.errors import ConfigError
from llmdvfs.models import tiny
from llmdvfs.models.resolve import resolve_model
from llmdvfs.models.shapes import SHAPES, write_shape
from llmdvfs.models.tiny import write_tiny_model
from llmdvfs.records.spec import ModelSpec


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_model(folder, seed=0)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_same_seed_gives_the_same_bytes(model: Path, tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "again", seed=0)
    write_tiny_model(tmp_path / "other", seed=1)
    assert digests(tmp_path / "again") == digests(model)
    assert digests(tmp_path / "other")["model.safetensors"] != digests(model)["model.safetensors"]


def test_it_is_small_and_readable_by_all(model: Path) -> None:
    assert sum(path.stat().st_size for path in model.iterdir()) < 10_000_000
    assert {oct(path.stat().st_mode)[-3:] for path in model.iterdir()} == {"644"}


def test_weights_have_the_shapes_that_config_names(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    assert {name: tensor.shape for name, tensor in weights.items()} == tiny.weight_shapes()
    assert all(tensor.dtype == np.float16 for tensor in weights.values())
    assert 0.19 < float(weights["lm_head.weight"].astype(np.float32).std()) < 0.21


def test_every_id_of_the_vocabulary_is_some_text(model: Path) -> None:
    """An id without text would come as an empty chunk, and clients that count chunks would miss it."""
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    vocab_size = json.loads((model / "config.json").read_text())["vocab_size"]
    assert tokenizer.get_vocab_size() == vocab_size == 2048
    assert all(tokenizer.id_to_token(token_id) for token_id in range(vocab_size))


def test_text_survives_the_tokenizer(model: Path) -> None:
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    text = "Prefill and decode: 预填充与解码, 100 %."
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_writing_again_touches_nothing(model: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in model.iterdir()}
    write_tiny_model(model, seed=0)
    assert {path.name: path.stat().st_mtime_ns for path in model.iterdir()} == before


def test_a_half_written_folder_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text("{")
    write_tiny_model(folder, seed=0)
    assert json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 4
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_shape_has_a_tokenizer_of_its_whole_vocabulary(tmp_path: Path) -> None:
    write_shape(tmp_path / "s", "qwen3-8b")
    tokenizer = Tokenizer.from_file(str(tmp_path / "s" / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == 151_936
    assert tokenizer.id_to_token(151_935) == "<151935>"
    assert tokenizer.decode([70_000, 70_001]) == "<70000><70001>"


def test_an_unknown_shape_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'gpt-5' is not known; expected one of qwen3-0\.6b, .*llama-3\.1-8b"):
        write_shape(tmp_path / "s", "gpt-5")


@pytest.mark.parametrize("name", SHAPES)
def test_heads_of_every_shape_fit(name: str) -> None:
    shape = SHAPES[name]
    assert shape.num_heads % shape.num_kv_heads == 0
    assert shape.hidden_size % 64 == 0


def test_resolving_writes_generated_models_once(tmp_path: Path) -> None:
    first = resolve_model(ModelSpec("tiny", "tiny", ""), tmp_path)
    assert first == resolve_model(ModelSpec("t", "tiny", ""), tmp_path) == str(tmp_path / "tiny-seed0")
    assert resolve_model(ModelSpec("q", "shape", "qwen3-4b"), tmp_path) == str(tmp_path / "shape-qwen3-4b")
    assert resolve_model(ModelSpec("q", "hub", "Qwen/Qwen3-4B"), tmp_path) == "Qwen/Qwen3-4B"


def test_a_model_folder_must_be_one(tmp_path: Path, model: Path) -> None:
    assert resolve_model(ModelSpec("m", "path", str(model)), tmp_path) == str(model)
    with pytest.raises(ConfigError, match=r"model 'm': folder '/no/such' does not exist"):
        resolve_model(ModelSpec("m", "path", "/no/such"), tmp_path)
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        resolve_model(ModelSpec("m", "path", str(tmp_path)), tmp_path)


def test_the_page_on_shapes_has_every_one_of_them() -> None:
    page = (Path(__file__).parents[3] / "docs" / "shapes.md").read_text(encoding="utf-8")
    assert {name for name in SHAPES if f"`{name}`" not in page} == set()
