"""Sizes worked out by hand from published shapes."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.models.facts import kv_bytes_per_token, weight_bytes
from llmdvfs.models.parameters import count_parameters
from llmdvfs.models.shape import config
from llmdvfs.models.shapes import SHAPES, write_shape
from llmdvfs.models.tiny import write_tiny_model
from llmdvfs.models.weights import bits_per_weight, file_bytes


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
    parameters = count_parameters(config(SHAPES[shape]))
    assert parameters is not None
    assert parameters.total / 1e9 == pytest.approx(billions, rel=0.003)


def test_an_unknown_dtype_is_refused(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "t", 0)
    with pytest.raises(ConfigError, match="dtype 'int3' is not known"):
        kv_bytes_per_token(tmp_path / "t", "int3")


def test_a_folder_without_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"model folder {tmp_path}: config.json cannot be read"):
        kv_bytes_per_token(tmp_path)


@pytest.mark.parametrize(
    ("content", "billions"),
    [
        (
            {"model_type": "mixtral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
             "num_key_value_heads": 8, "num_local_experts": 8, "intermediate_size": 14_336, "vocab_size": 32_000},
            46.7,
        ),
        (
            {"model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32,
             "num_key_value_heads": 4, "head_dim": 128, "num_experts": 128, "moe_intermediate_size": 768,
             "vocab_size": 151_936},
            30.5,
        ),
    ],
    ids=["Mixtral-8x7B", "Qwen3-30B-A3B"],
)  # fmt: skip
def test_weights_of_experts_as_published(content: dict[str, Any], billions: float) -> None:
    parameters = count_parameters(content)
    assert parameters is not None
    assert parameters.total / 1e9 == pytest.approx(billions, rel=0.003)


@pytest.mark.parametrize(
    ("shape", "total"),
    [
        ("deepseek-v2-lite", 15_706_484_224),  # as its repository says, to the last one
        ("gpt-oss-20b", 20_914_757_184),  # the same
        # 48 x (512 x 3 x 2048 x 512 + 3 x 2048 x 512 + 513 x 2048 + 2 x 2048) + 36 x 33,718,272 of delta nets
        # + 12 x 27,262,976 of attention + 2 x 151,936 x 2048 + 2048; without 13,056 norms and biases of heads
        ("qwen3-next-80b-a3b", 79_674_378_240),
    ],
)
def test_weights_of_every_kind_to_the_last_one(shape: str, total: int) -> None:
    parameters = count_parameters(config(SHAPES[shape]))
    assert parameters is not None
    assert parameters.total == total


def test_mxfp4_shrinks_the_experts_alone(tmp_path: Path) -> None:
    """24 x 32 x 3 x 2880 x 2880 = 19.11 G weights in 4.25 bits, and the other 1.80 G in 16: 12.8 GiB."""
    experts = 24 * 32 * 3 * 2880 * 2880
    folder = folder_of(tmp_path / "g", config(SHAPES["gpt-oss-20b"]))
    assert weight_bytes(folder) == int(experts * 4.25 + (20_914_757_184 - experts) * 16) // 8


def test_shards_beside_a_consolidated_file_count_once(tmp_path: Path) -> None:
    """Mistral's folders hold every weight twice: 14 GB were foreseen as 28."""
    for name, size in (("model-1.safetensors", 70), ("model-2.safetensors", 30), ("consolidated.safetensors", 100)):
        (tmp_path / name).write_bytes(bytes(size))
    assert file_bytes(tmp_path) == 100
    (tmp_path / "old.safetensors").write_bytes(bytes(9))
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert file_bytes(tmp_path) == 100
    for path in tmp_path.glob("[mo]*.safetensors"):
        path.unlink()
    assert file_bytes(tmp_path) == 100  # the consolidated file alone


@pytest.mark.parametrize(
    ("quantization", "bits"),
    [
        (None, 16),
        ({"quant_method": "fp8"}, 8),
        ({"quant_method": "awq", "bits": 4}, 4),
        ({"quant_method": "gptq", "bits": 3}, 3),
        ({"quant_method": "mxfp4"}, 4.25),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, 4.5),
        ({"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 4}}}}, 4),
        (
            {"quant_method": "compressed-tensors",
             "config_groups": {"a": {"weights": {"num_bits": 4}}, "b": {"weights": {"num_bits": 8}}}},
            None,
        ),
        ({"quant_method": "awq", "bits": "four"}, None),
        ({"quant_method": "compressed-tensors"}, None),
        ({"quant_method": "something new"}, None),
    ],
)  # fmt: skip
def test_bits_of_a_weight(quantization: Any, bits: float | None) -> None:
    assert bits_per_weight({"quantization_config": quantization}, 16) == bits


def test_dummy_weights_of_a_quantized_model_are_of_its_width(tmp_path: Path) -> None:
    """Qwen3-8B: 36 x (4096 x 128 x 80 + 3 x 4096 x 12288) linear weights in 8 bits, the other 1.245 G in 16."""
    content = config(SHAPES["qwen3-8b"]) | {"quantization_config": {"quant_method": "fp8"}}
    linear = 36 * (4096 * 128 * 80 + 3 * 4096 * 12_288)
    other = 36 * 2 * 4096 + 2 * 151_936 * 4096 + 4096
    assert weight_bytes(folder_of(tmp_path / "f", content)) == linear + 2 * other
