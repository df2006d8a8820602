"""KV bytes a token of published models: key figures of their config.json, and the right value by hand or None."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmdvfs.models.facts import kv_bytes_per_token
from llmdvfs.models.kv import kv_layout
from llmdvfs.models.shape import config
from llmdvfs.models.shapes import SHAPES


def llama(layers: int, hidden: int, heads: int, kv_heads: int | None, **more: Any) -> dict[str, Any]:
    """Return a config.json with Llama's names."""
    return {
        "model_type": "llama",
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "torch_dtype": "bfloat16",
        **more,
    }


def latent(model_type: str, layers: int, **more: Any) -> dict[str, Any]:
    return llama(layers, 2048, 16, 16, model_type=model_type, kv_lora_rank=512, qk_rope_head_dim=64, **more)


PUBLISHED: list[tuple[str, dict[str, Any], int | None]] = [
    # every layer keeps the whole context: 2 x layers x KV heads x head_dim x 2 bytes
    ("Llama-2-7B", llama(32, 4096, 32, None, torch_dtype="float16"), 2 * 32 * 32 * 128 * 2),
    ("Llama-3.1-70B", llama(80, 8192, 64, 8), 2 * 80 * 8 * 128 * 2),
    ("Mistral-7B-v0.3", llama(32, 4096, 32, 8, model_type="mistral", sliding_window=None), 2 * 32 * 8 * 128 * 2),
    ("Mistral-Nemo", llama(40, 5120, 32, 8, model_type="mistral", head_dim=128), 2 * 40 * 8 * 128 * 2),
    ("Mixtral-8x7B", llama(32, 4096, 32, 8, model_type="mixtral", sliding_window=None), 2 * 32 * 8 * 128 * 2),
    (
        "Qwen2.5-7B",
        llama(28, 3584, 28, 4, model_type="qwen2", sliding_window=131072, use_sliding_window=False),
        2 * 28 * 4 * 128 * 2,
    ),
    ("Qwen3-30B-A3B", llama(48, 2048, 32, 4, model_type="qwen3_moe", head_dim=128), 2 * 48 * 4 * 128 * 2),
    ("GLM-4.5-Air", llama(46, 4096, 96, 8, model_type="glm4_moe", head_dim=128), 2 * 46 * 8 * 128 * 2),
    ("Gemma-7B", llama(28, 3072, 16, 16, model_type="gemma", head_dim=256), 2 * 28 * 16 * 256 * 2),
    ("Phi-2", llama(32, 2560, 32, 32, model_type="phi"), 2 * 32 * 32 * 80 * 2),
    (
        "Phi-3.5-mini",  # its window is longer than its context
        llama(32, 3072, 32, 32, model_type="phi3", sliding_window=262144, max_position_embeddings=131072),
        2 * 32 * 32 * 96 * 2,
    ),
    ("OPT-125M", llama(12, 768, 12, None, model_type="opt", torch_dtype="float16"), 2 * 12 * 12 * 64 * 2),
    ("GPT-NeoX-20B", llama(44, 6144, 64, None, model_type="gpt_neox"), 2 * 44 * 64 * 96 * 2),
    ("GPT-2", {"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12}, 2 * 12 * 12 * 64 * 2),
    (
        "StarCoder",  # multi_query: one head
        {"model_type": "gpt_bigcode", "n_layer": 40, "n_embd": 6144, "n_head": 48, "multi_query": True},
        2 * 40 * 1 * 128 * 2,
    ),
    (
        "Falcon-7B",
        {**llama(32, 4544, 71, None), "model_type": "falcon", "multi_query": True, "new_decoder_architecture": False},
        2 * 32 * 1 * 64 * 2,
    ),
    (
        "Falcon-40B",
        {**llama(60, 8192, 128, None), "model_type": "falcon", "num_kv_heads": 8, "new_decoder_architecture": True},
        2 * 60 * 8 * 64 * 2,
    ),
    (
        "ChatGLM2-6B",
        {
            "model_type": "chatglm",
            "num_layers": 28,
            "num_attention_heads": 32,
            "kv_channels": 128,
            "multi_query_attention": True,
            "multi_query_group_num": 2,
            "torch_dtype": "float16",
        },
        2 * 28 * 2 * 128 * 2,
    ),
    ("BLOOM-7B1", {"model_type": "bloom", "n_layer": 30, "n_head": 32, "hidden_size": 4096}, 2 * 30 * 32 * 128 * 2),
    (
        "DBRX",
        {"model_type": "dbrx", "n_layers": 40, "n_heads": 48, "d_model": 6144, "attn_config": {"kv_n_heads": 8}},
        2 * 40 * 8 * 128 * 2,
    ),
    # one latent vector of 512 + 64 elements a layer
    ("DeepSeek-V2-Lite", latent("deepseek_v2", 27), 27 * 576 * 2),
    ("DeepSeek-V3", latent("deepseek_v3", 61, quantization_config={"quant_method": "fp8"}), 61 * 576 * 2),
    ("Kimi-K2", latent("kimi_k2", 61), 61 * 576 * 2),
    # layers that differ, or that keep something else: no constant
    ("DeepSeek-V3.2", latent("deepseek_v32", 61, index_topk=2048), None),  # an index of its own beside the vector
    ("DeepSeek-VL2-small", latent("deepseek_v2", 27) | {"kv_lora_rank": None, "use_mla": False}, None),
    ("MiniCPM3-4B", latent("minicpm3", 62), None),  # names a rank, and its engine keeps heads
    ("Mistral-7B-v0.1", llama(32, 4096, 32, 8, model_type="mistral", sliding_window=4096), None),
    ("Gemma-2-9B", llama(42, 3584, 16, 8, model_type="gemma2", head_dim=256, sliding_window=4096), None),
    ("Gemma-3-1B", llama(26, 1152, 4, 1, model_type="gemma3_text", sliding_window=512), None),  # no layer_types
    ("gpt-oss-20b", llama(24, 2880, 64, 8, model_type="gpt_oss", head_dim=64, sliding_window=128), None),
    ("Llama-4-Scout", llama(48, 5120, 40, 8, model_type="llama4_text", attention_chunk_size=8192), None),
    ("Nemotron-H-8B", llama(52, 4096, 32, 8, model_type="nemotron_h", hybrid_override_pattern="M-M*-"), None),
    ("Qwen3-Next-80B", llama(48, 2048, 16, 2, model_type="qwen3_next", full_attention_interval=4), None),
    ("Jamba-v0.1", llama(32, 4096, 32, 8, model_type="jamba", attn_layer_period=8), None),
    ("MiniMax-Text-01", llama(80, 6144, 64, 8, model_type="minimax_text_01", attn_type_list=[0, 1]), None),
    ("Kimi-Linear-48B", latent("kimi_linear", 27, linear_attn_config={"kda_layers": [1]}), None),
    ("Nemotron-51B (NAS)", llama(80, 8192, 64, None, model_type="nemotron-nas", block_configs=[{}]), None),
]


def folder_of(tmp_path: Path, content: Any) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize(("content", "expected"), [item[1:] for item in PUBLISHED], ids=[item[0] for item in PUBLISHED])
def test_kv_bytes_are_right_or_none(content: dict[str, Any], expected: int | None, tmp_path: Path) -> None:
    """State-space layers were counted as attention, and a rank of `null` ended in a traceback."""
    assert kv_bytes_per_token(folder_of(tmp_path, content)) == expected


@pytest.mark.parametrize("value", [None, "many", [], {}, -1, 0, True])
def test_figures_of_another_type_are_none_and_no_exception(value: Any, tmp_path: Path) -> None:
    for name in ("num_hidden_layers", "num_attention_heads", "hidden_size"):
        seen = kv_layout(llama(2, 64, 4, 2) | {name: value})
        assert seen is None or (value is True)  # JSON's true is 1 to Python: nobody writes it there
    assert kv_layout(llama(2, 64, 4, 2) | {"model_type": value}) is None


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("qwen3-30b-a3b", 2 * 48 * 4 * 128 * 2),
        ("qwen3-8b-fp8", 2 * 36 * 8 * 128 * 2),  # its weights have 8 bits, its cache 16
        ("deepseek-v2-lite", 27 * 576 * 2),
        ("qwen3-next-80b-a3b", None),
        ("gpt-oss-20b", None),
    ],
)
def test_kv_bytes_of_shapes_of_every_kind(shape: str, expected: int | None, tmp_path: Path) -> None:
    assert kv_bytes_per_token(folder_of(tmp_path, config(SHAPES[shape]))) == expected


LLAMA = llama(80, 8192, 64, 8)
PER_TOKEN = 2 * 80 * 8 * 128 * 2


@pytest.mark.parametrize(
    ("extra_args", "expected"),
    [
        (("--kv-cache-dtype", "fp8"), PER_TOKEN // 2),
        (("--kv-cache-dtype=fp8_e5m2",), PER_TOKEN // 2),
        (("--kv-cache-dtype", "auto"), PER_TOKEN),
        (("--kv-cache-dtype", "nvfp4"), None),
        (("--kv-cache-dtype", "fp8", "--kv-cache-dtype", "bfloat16"), PER_TOKEN),
        (("--enable-log-requests",), PER_TOKEN),
    ],
)
def test_a_kv_dtype_in_extra_args_counts(extra_args: tuple[str, ...], expected: int | None, tmp_path: Path) -> None:
    assert kv_bytes_per_token(folder_of(tmp_path, LLAMA), extra_args=extra_args) == expected


def test_a_checkpoint_with_scales_of_its_own_leaves_the_dtype_to_the_engine(tmp_path: Path) -> None:
    scaled = {"quantization_config": {"kv_cache_scheme": {"num_bits": 8, "type": "float"}}}
    assert kv_bytes_per_token(folder_of(tmp_path, LLAMA | scaled)) is None


def test_ranks_share_heads_but_keep_a_latent_vector_whole(tmp_path: Path) -> None:
    """8 heads on 16 ranks: one head each, not half of one; a latent vector is not divided at all."""
    folder = folder_of(tmp_path, LLAMA)
    assert kv_bytes_per_token(folder, tensor_parallel_size=4) == 2 * 80 * 2 * 128 * 2
    assert kv_bytes_per_token(folder, tensor_parallel_size=16) == 2 * 80 * 1 * 128 * 2
    assert kv_bytes_per_token(folder_of(tmp_path, latent("deepseek_v3", 61)), tensor_parallel_size=8) == 61 * 576 * 2
