"""What a model needs and moves, read from its config.json."""

import json
from pathlib import Path
from typing import Any

from llmdvfs.errors import ConfigError

BYTES_PER_ELEMENT = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2, "fp8": 1, "fp8_e4m3": 1}


def read_config(folder: Path) -> dict[str, Any]:
    """Return a model's config.json, of its text part where it has several."""
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"model folder {folder}: config.json cannot be read ({error})") from error
    text_config: dict[str, Any] = config.get("text_config", config)
    return text_config


def kv_bytes_per_token(folder: Path, dtype: str | None = None) -> int | None:
    """Return the bytes of KV cache that one token takes over all layers; docs/metrics.md#kv-transfer.

    dtype: that of the KV cache (None or "auto": the model's own). None is returned where config.json does not say
    enough, or where layers differ (sliding windows, state-space layers) so that there is no such constant.
    """
    config = read_config(folder)
    if config.get("layer_types") and len(set(config["layer_types"])) > 1:
        return None
    num_elements = _kv_elements_per_layer(config)
    if num_elements is None:
        return None
    return int(config["num_hidden_layers"]) * num_elements * bytes_per_element(config, dtype)


def weight_bytes(folder: Path, dtype: str | None = None) -> int | None:
    """Return the bytes of a model's weights: of its safetensors files, else of a dense decoder of its shape."""
    files = list(folder.glob("*.safetensors"))
    if files:
        return sum(file.stat().st_size for file in files)
    config = read_config(folder)
    num_parameters = dense_parameters(config)
    return None if num_parameters is None else num_parameters * bytes_per_element(config, dtype)


def dense_parameters(config: dict[str, Any]) -> int | None:
    """Return the number of weights of a dense decoder with gated MLP; None: another kind of model."""
    if any("expert" in key for key in config) or "kv_lora_rank" in config:
        return None
    try:
        hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
        head_dim = _head_dim(config)
        num_q, num_kv = int(config["num_attention_heads"]), _num_kv_heads(config)
        attention = hidden * head_dim * (2 * num_q + 2 * num_kv)
        mlp = 3 * hidden * int(config["intermediate_size"])
        embeddings = int(config["vocab_size"]) * hidden * (1 if config.get("tie_word_embeddings") else 2)
    except KeyError:
        return None
    return layers * (attention + mlp + 2 * hidden) + embeddings + hidden


def bytes_per_element(config: dict[str, Any], dtype: str | None) -> int:
    """Return the width of one element in the dtype asked for, else in the model's own."""
    if dtype in (None, "auto"):
        own = str(config.get("dtype") or config.get("torch_dtype") or "bfloat16")
        # With dtype "auto" vLLM serves float32 models in 16 bits.
        return 2 if own == "float32" else BYTES_PER_ELEMENT.get(own, 2)
    try:
        return BYTES_PER_ELEMENT[str(dtype)]
    except KeyError:
        raise ConfigError(f"dtype {dtype!r} is not known; expected auto, {', '.join(BYTES_PER_ELEMENT)}") from None


def _kv_elements_per_layer(config: dict[str, Any]) -> int | None:
    if "kv_lora_rank" in config:  # multi-head latent attention keeps one compressed vector a token
        return int(config["kv_lora_rank"]) + int(config.get("qk_rope_head_dim", 0))
    try:
        return 2 * _num_kv_heads(config) * _head_dim(config)
    except KeyError:
        return None


def _num_kv_heads(config: dict[str, Any]) -> int:
    return int(config.get("num_key_value_heads") or config["num_attention_heads"])


def _head_dim(config: dict[str, Any]) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])
