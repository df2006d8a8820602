"""Sizes worked out by hand from published shapes."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.models.facts import dense_parameters, kv_bytes_per_token, weight_bytes
from llmdvfs.models.shapes import SHAPES, config, write_shape
from llmdvfs.models.tiny import write_tiny_model


def folder_of(path: Path, content: dict[str, Any]) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("qwen3-8b", 147_456),  # 2 x 36 layers x 8 heads x 128 x 2 bytes
        ("llama-3.1-8b", 131_072),  # 2 x 32 x 8 x 128 x 2
        ("llama-3.2-1b", 32_768),  # 2 x 16 x 8 x 64 x 2
    ],
)
def test_kv_bytes_of_a_token(shape: str, expected: int, tmp_path: Path) -> None:
    write_shape(tmp_path / "s", shape)
    assert kv_bytes_per_token(tmp_path / "s") == expected
    assert kv_bytes_per_token(tmp_path / "s", "float32") == 2 * expected


def test_kv_bytes_of_the_tiny_model(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "t", 0)
    assert kv_bytes_per_token(tmp_path / "t", "bfloat16") == 2 * 4 * 2 * 64 * 2
    assert weight_bytes(tmp_path / "t") == (tmp_path / "t" / "model.safetensors").stat().st_size


def test_latent_attention_keeps_one_vector(tmp_path: Path) -> None:
    """DeepSeek-V2-Lite: 27 layers x (512 + 64) x 2 bytes."""
    content = {"num_hidden_layers": 27, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "torch_dtype": "bfloat16"}
    folder = folder_of(tmp_path / "d", content)
    assert kv_bytes_per_token(folder) == 31_104
    assert weight_bytes(folder) is None


def test_layers_that_differ_have_no_constant(tmp_path: Path) -> None:
    content = config(SHAPES["qwen3-8b"]) | {"layer_types": ["full_attention", "sliding_attention"]}
    assert kv_bytes_per_token(folder_of(tmp_path / "g", content)) is None


def test_a_config_without_heads_says_nothing(tmp_path: Path) -> None:
    assert kv_bytes_per_token(folder_of(tmp_path / "x", {"num_hidden_layers": 2})) is None


def test_the_text_part_of_a_multimodal_config_counts(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "v", {"text_config": config(SHAPES["llama-3.1-8b"])})
    assert kv_bytes_per_token(folder) == 131_072


@pytest.mark.parametrize(
    ("shape", "billions"),
    [("qwen3-0.6b", 0.596), ("qwen3-8b", 8.19), ("qwen3-32b", 32.76), ("llama-3.1-8b", 8.03), ("llama-3.2-3b", 3.21)],
)
def test_weights_of_dense_shapes_as_published(shape: str, billions: float) -> None:
    parameters = dense_parameters(config(SHAPES[shape]))
    assert parameters is not None
    assert parameters / 1e9 == pytest.approx(billions, rel=0.003)


def test_an_unknown_dtype_is_refused(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "t", 0)
    with pytest.raises(ConfigError, match="dtype 'int3' is not known"):
        kv_bytes_per_token(tmp_path / "t", "int3")


def test_a_folder_without_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"model folder {tmp_path}: config.json cannot be read"):
        kv_bytes_per_token(tmp_path)
