"""Bytes of a model's weights: of the files that an engine loads, else by its shape."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmdvfs.errors import MISREAD

Config = Mapping[str, Any]

BITS_PER_BYTE = 8
BITS_OF_METHOD = {"fp8": 8.0, "fbgemm_fp8": 8.0, "mxfp4": 4.25, "nvfp4": 4.5}
"""Quantization method -> bits of a weight, its share of a block's scale included (32 weights or 16, 8 bits a scale)."""


def file_bytes(folder: Path) -> int | None:
    """Return the bytes of the safetensors files that an engine loads; None where there are none.

    The index names them where there is one. `consolidated*.safetensors` hold the same weights in Mistral's own layout
    beside the others, and count only where they are alone.
    """
    files = {path.name: path for path in folder.glob("*.safetensors")}
    named = _indexed(folder / "model.safetensors.index.json")
    chosen = (
        [path for name, path in files.items() if name in named]
        or [path for name, path in files.items() if not name.startswith("consolidated")]
        or list(files.values())
    )
    return sum(path.stat().st_size for path in chosen) if chosen else None


def _indexed(index: Path) -> set[str]:
    try:
        return set(json.loads(index.read_bytes())["weight_map"].values())
    except (OSError, *MISREAD):
        return set()


def bits_per_weight(config: Config, unquantized_bits: float) -> float | None:
    """Return the bits that one weight of a linear layer takes; None for an unknown quantization method.

    unquantized_bits: what it takes where config.json has no `quantization_config`.
    """
    quantization = config.get("quantization_config")
    if not isinstance(quantization, Mapping):
        return unquantized_bits
    method = str(quantization.get("quant_method", "")).lower()
    if method in BITS_OF_METHOD:
        return BITS_OF_METHOD[method]
    if method in ("awq", "gptq"):
        bits = quantization.get("bits", quantization.get("w_bit"))
    elif method == "compressed-tensors":
        bits = _compressed_bits(quantization)
    elif method == "modelopt":
        bits = BITS_OF_METHOD.get(str(quantization.get("quant_algo", "")).lower())
    else:
        return None
    return float(bits) if isinstance(bits, int | float) and not isinstance(bits, bool) else None


def _compressed_bits(quantization: Config) -> Any:
    """Return the one width that all groups of layers have; None where they differ or do not say it."""
    try:
        widths = {group["weights"]["num_bits"] for group in quantization["config_groups"].values()}
    except (KeyError, TypeError, AttributeError):
        return None
    return widths.pop() if len(widths) == 1 else None


def split_parameters(config: Config) -> tuple[int, int] | None:
    """Return the numbers of weights (in linear layers, in all others); None for a kind of model that is not known.

    The others are embeddings, norms, routers and the output head. Known are dense decoders with gated MLP, Mixtral and
    Qwen's mixtures of experts.
    """
    if config.get("kv_lora_rank") is not None:
        return None
    try:
        hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
        num_q = int(config["num_attention_heads"])
        num_kv = int(config.get("num_key_value_heads") or num_q)
        head_dim = int(config.get("head_dim") or hidden // num_q)
        experts = _experts(config, hidden)
        vocabulary = int(config["vocab_size"]) * hidden * (1 if config.get("tie_word_embeddings") else 2)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    if experts is None:
        return None
    mlp, router = experts
    attention = hidden * head_dim * (2 * num_q + 2 * num_kv)
    return layers * (attention + mlp), layers * (2 * hidden + router) + vocabulary + hidden


def _experts(config: Config, hidden: int) -> tuple[int, int] | None:
    """Return the weights of one layer's MLPs and of its router."""
    match config.get("model_type"):
        case "mixtral":
            num, width = int(config["num_local_experts"]), int(config["intermediate_size"])
        case "qwen3_moe":
            if config.get("mlp_only_layers") or config.get("decoder_sparse_step", 1) != 1:
                return None
            num, width = int(config["num_experts"]), int(config["moe_intermediate_size"])
        case _ if any("expert" in key for key in config):
            return None
        case _:
            return 3 * hidden * int(config["intermediate_size"]), 0
    return num * 3 * hidden * width, num * hidden
