"""KV bytes a token of known kinds of models: right, or None; never a guess.

Only model types in the table below are answered, since a key of config.json means different things to different
engines' classes: a model whose layers differ (sliding windows, state space, linear attention, a layer without heads)
has other caches than its heads and layers suggest, and nothing in the file has to say so. A type that is not in the
table is None; adding one is a line.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Config = Mapping[str, Any]

BYTES_OF_KV_DTYPE = {
    "float32": 4,
    "float": 4,
    "float16": 2,
    "half": 2,
    "bfloat16": 2,
    "fp8": 1,
    "fp8_e4m3": 1,
    "fp8_e5m2": 1,
}
KV_DTYPE_OPTION = "--kv-cache-dtype"
KEYS_OF_OTHER_LAYERS = (
    "hybrid_override_pattern", "full_attention_interval", "attn_type_list", "linear_attn_config", "block_configs",
    "attn_layer_period", "layers_block_type", "attention_chunk_size", "sliding_window_pattern", "index_topk",
    "mamba_d_state", "cross_attention_layers", "num_kv_shared_layers",
)  # fmt: skip
"""What says that layers differ, or keep something else than keys and values: no constant."""


@dataclass(frozen=True, slots=True)
class KvLayout:
    """What one token takes in each layer: heads, which ranks share out, or one vector, which each rank keeps."""

    num_layers: int
    num_kv_heads: int
    head_dim: int
    latent_dim: int | None = None
    """For multi-head latent attention: the number of elements of the one vector that replaces the heads."""

    def elements(self, tensor_parallel_size: int = 1) -> int:
        """Return the number of elements that a token takes on one rank, over all layers.

        Ranks beyond the number of KV heads hold copies of a head; a latent vector is kept whole by every rank.
        """
        if self.latent_dim is not None:
            return self.num_layers * self.latent_dim
        return self.num_layers * 2 * max(1, self.num_kv_heads // tensor_parallel_size) * self.head_dim


def kv_layout(config: Config) -> KvLayout | None:
    """Return the layout of a model's KV cache; None where config.json does not say it for certain.

    It raises nothing.
    """
    read = _LAYOUTS.get(str(config.get("model_type")))
    if read is None or any(config.get(key) for key in KEYS_OF_OTHER_LAYERS) or _has_windows(config):
        return None
    try:
        layout = read(config)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError):
        return None
    if layout is None or min(layout.num_layers, layout.num_kv_heads, layout.head_dim) < 1:
        return None
    return layout


def kv_element_bytes(config: Config, dtype_bytes: int, extra_args: tuple[str, ...] = ()) -> int | None:
    """Return the bytes of one element of the cache; None where the engine decides by a checkpoint's own scales.

    dtype_bytes: of the model as it is served; extra_args: the engine's, of which `--kv-cache-dtype` counts.
    """
    wanted = _kv_dtype(extra_args)
    if wanted is not None and wanted != "auto":
        return BYTES_OF_KV_DTYPE.get(wanted)
    quantization = config.get("quantization_config")
    if isinstance(quantization, Mapping) and (
        quantization.get("kv_cache_scheme") or quantization.get("kv_cache_quant_algo")
    ):
        return None
    return dtype_bytes


def _kv_dtype(extra_args: tuple[str, ...]) -> str | None:
    """Return what `--kv-cache-dtype X` or `--kv-cache-dtype=X` asks for; the last one counts, as argparse has it."""
    found = None
    for number, text in enumerate(extra_args):
        name, equals, value = text.partition("=")
        if name.replace("_", "-") == KV_DTYPE_OPTION:  # vLLM accepts `_` for `-`
            found = value if equals else next(iter(extra_args[number + 1 :]), "")
    return found


def _has_windows(config: Config) -> bool:
    """Whether a token of a long context is dropped in some layers."""
    kinds = config.get("layer_types")
    if kinds and set(kinds) != {"full_attention"}:
        return True
    window = config.get("sliding_window")
    # Qwen's files name a window and say beside it that it is not used, which is also the default of those classes.
    used = config.get("use_sliding_window", not str(config.get("model_type")).startswith("qwen"))
    longest = config.get("max_position_embeddings")
    return bool(window and used and not (isinstance(longest, int) and window >= longest))


def _heads(config: Config) -> KvLayout:
    """Return the layout by the keys of config.json that Llama's class reads."""
    num_heads = int(config["num_attention_heads"])
    num_kv_heads = config.get("num_key_value_heads")
    head_dim = config.get("head_dim") or int(config["hidden_size"]) // num_heads
    return KvLayout(
        int(config["num_hidden_layers"]), num_heads if num_kv_heads is None else int(num_kv_heads), int(head_dim)
    )


def _explicit_heads(config: Config) -> KvLayout | None:
    """Return the same where the file names head_dim; else None, for such classes have a default of their own."""
    return None if config.get("head_dim") is None else _heads(config)


def _latent(config: Config) -> KvLayout | None:
    """Return the layout of DeepSeek's latent attention.

    A token is one compressed vector and one rotary key. None where the file names no rank: then it has no such
    attention.
    """
    if config.get("kv_lora_rank") is None or config.get("use_mla") is False:
        return None
    return KvLayout(
        int(config["num_hidden_layers"]), 1, 1, int(config["kv_lora_rank"]) + int(config["qk_rope_head_dim"])
    )


def _falcon(config: Config) -> KvLayout:
    """Return Falcon's layout: `multi_query` means one head, unless the new architecture counts the heads."""
    num_heads = int(config.get("num_attention_heads") or config["n_head"])
    if config.get("new_decoder_architecture"):
        num_kv_heads = int(config["num_kv_heads"])
    else:
        num_kv_heads = 1 if config.get("multi_query", True) else num_heads
    layers = int(config.get("num_hidden_layers") or config["n_layer"])
    return KvLayout(layers, num_kv_heads, int(config["hidden_size"]) // num_heads)


def _gpt2(config: Config) -> KvLayout:
    num_heads = int(config["n_head"])
    return KvLayout(int(config["n_layer"]), num_heads, int(config["n_embd"]) // num_heads)


def _gpt_bigcode(config: Config) -> KvLayout:
    num_heads = int(config["n_head"])
    num_kv_heads = 1 if config.get("multi_query", True) else num_heads
    return KvLayout(int(config["n_layer"]), num_kv_heads, int(config["n_embd"]) // num_heads)


def _bloom(config: Config) -> KvLayout:
    hidden = int(config.get("hidden_size") or config["n_embed"])
    num_heads = int(config.get("n_head") or config["num_attention_heads"])
    return KvLayout(int(config.get("n_layer") or config["num_hidden_layers"]), num_heads, hidden // num_heads)


def _chatglm(config: Config) -> KvLayout:
    num_heads = int(config["num_attention_heads"])
    num_kv_heads = int(config["multi_query_group_num"]) if config.get("multi_query_attention") else num_heads
    return KvLayout(int(config["num_layers"]), num_kv_heads, int(config["kv_channels"]))


def _dbrx(config: Config) -> KvLayout:
    num_heads = int(config["n_heads"])
    return KvLayout(
        int(config["n_layers"]), int(config["attn_config"]["kv_n_heads"]), int(config["d_model"]) // num_heads
    )


LLAMA_LIKE = (
    "llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "phi", "phi3", "phimoe", "gpt_neox",
    "opt", "olmo", "olmo2", "olmoe", "granite", "granitemoe", "starcoder2", "stablelm", "internlm2", "cohere", "glm",
    "glm4", "glm4_moe",
)  # fmt: skip
_LAYOUTS: dict[str, Callable[[Config], KvLayout | None]] = {
    **dict.fromkeys(LLAMA_LIKE, _heads),
    "gemma": _explicit_heads,
    "deepseek_v2": _latent,
    "deepseek_v3": _latent,
    "kimi_k2": _latent,
    "falcon": _falcon,
    "gpt2": _gpt2,
    "gpt_bigcode": _gpt_bigcode,
    "bloom": _bloom,
    "chatglm": _chatglm,
    "dbrx": _dbrx,
}
