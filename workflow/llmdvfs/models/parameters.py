"""Counts a model's weights by its config.json: those that a quantization would shrink, and all others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Numbers of weights."""

    quantized: int
    """Of the layers whose width `quantization_config` sets."""
    others: int
    """Embeddings, output head, norms, routers, and what a kind of model keeps unquantized."""

    @property
    def total(self) -> int:
        """Return the number of all weights."""
        return self.quantized + self.others


def count_parameters(config: Config) -> Parameters | None:
    """Return the weights of a model; None: of a kind that is not known here, or without the figures. Raises nothing.

    Known are dense decoders with gated MLP, Mixtral, Qwen's mixtures of experts, Qwen3-Next, DeepSeek-V2 and V3 and
    gpt-oss.
    """
    count = _KINDS.get(str(config.get("model_type")))
    if count is None and (any("expert" in key for key in config) or config.get("kv_lora_rank") is not None):
        return None
    try:
        parameters = (count or _dense)(config)
        if parameters is None:
            return None
        hidden = int(config["hidden_size"])
        vocabulary = int(config["vocab_size"]) * hidden * (1 if config.get("tie_word_embeddings") else 2)
        norms = int(config["num_hidden_layers"]) * 2 * hidden + hidden
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return Parameters(parameters.quantized, parameters.others + vocabulary + norms)


def _attention(config: Config) -> int:
    """Return the weights of one layer's projections: q, k, v and output."""
    hidden, num_q = int(config["hidden_size"]), int(config["num_attention_heads"])
    num_kv = int(config.get("num_key_value_heads") or num_q)
    return hidden * int(config.get("head_dim") or hidden // num_q) * (2 * num_q + 2 * num_kv)


def _gated(config: Config, width: int) -> int:
    """Return the weights of a gated MLP: up, gate and down."""
    return 3 * int(config["hidden_size"]) * width


def _dense(config: Config) -> Parameters:
    layer = _attention(config) + _gated(config, int(config["intermediate_size"]))
    return Parameters(int(config["num_hidden_layers"]) * layer, 0)


def _mixtral(config: Config) -> Parameters:
    num = int(config["num_local_experts"])
    experts = num * _gated(config, int(config["intermediate_size"]))
    layers = int(config["num_hidden_layers"])
    return Parameters(layers * (_attention(config) + experts), layers * num * int(config["hidden_size"]))


def _qwen3_moe(config: Config) -> Parameters | None:
    if config.get("mlp_only_layers") or config.get("decoder_sparse_step", 1) != 1:
        return None
    num, layers = int(config["num_experts"]), int(config["num_hidden_layers"])
    experts = num * _gated(config, int(config["moe_intermediate_size"]))
    return Parameters(layers * (_attention(config) + experts), layers * num * int(config["hidden_size"]))


def _qwen3_next(config: Config) -> Parameters | None:
    """Three of four layers are gated delta nets; attention has an output gate as wide as its queries."""
    if config.get("mlp_only_layers") or config.get("decoder_sparse_step", 1) != 1:
        return None
    hidden, layers, num = (int(config[key]) for key in ("hidden_size", "num_hidden_layers", "num_experts"))
    num_full = layers // int(config["full_attention_interval"])
    keys = int(config["linear_num_key_heads"]) * int(config["linear_key_head_dim"])
    num_values = int(config["linear_num_value_heads"])
    values = num_values * int(config["linear_value_head_dim"])
    # q, k, v, z, b and a of each value head, and the output
    delta_net = hidden * (2 * keys + 2 * values + 2 * num_values + values)
    convolution = (2 * keys + values) * int(config["linear_conv_kernel_dim"])
    gate = hidden * int(config["num_attention_heads"]) * int(config["head_dim"])
    experts = num * _gated(config, int(config["moe_intermediate_size"]))
    shared = _gated(config, int(config["shared_expert_intermediate_size"]))
    attention = num_full * (_attention(config) + gate) + (layers - num_full) * delta_net
    return Parameters(
        attention + layers * (experts + shared), layers * hidden * (num + 1) + (layers - num_full) * convolution
    )


def _deepseek(config: Config) -> Parameters:
    """Latent attention; the first layers are dense, the others have routed and shared experts."""
    hidden, layers, heads = (int(config[key]) for key in ("hidden_size", "num_hidden_layers", "num_attention_heads"))
    rank, rope = int(config["kv_lora_rank"]), int(config["qk_rope_head_dim"])
    plain, value = int(config["qk_nope_head_dim"]), int(config["v_head_dim"])
    q_rank = config.get("q_lora_rank")
    queries = heads * (plain + rope) * (hidden if q_rank is None else int(q_rank))
    queries += 0 if q_rank is None else hidden * int(q_rank)
    attention = queries + hidden * (rank + rope) + rank * heads * (plain + value) + heads * value * hidden
    num, width = int(config["n_routed_experts"]), int(config["moe_intermediate_size"])
    dense = int(config["first_k_dense_replace"])
    experts = _gated(config, (num + int(config["n_shared_experts"])) * width)
    mlps = dense * _gated(config, int(config["intermediate_size"])) + (layers - dense) * experts
    norms = layers * (rank + int(q_rank or 0))
    return Parameters(layers * attention + mlps, (layers - dense) * num * hidden + norms)


def _gpt_oss(config: Config) -> Parameters:
    """Count those of experts alone as quantized; every projection has a bias, every head a sink."""
    hidden, layers, num = (int(config[key]) for key in ("hidden_size", "num_hidden_layers", "num_local_experts"))
    width, heads = int(config["intermediate_size"]), int(config["num_attention_heads"])
    biases = int(config["head_dim"]) * (heads + 2 * int(config["num_key_value_heads"])) + hidden + heads
    router = num * (hidden + 1)
    expert_biases = num * (2 * width + hidden)
    return Parameters(
        layers * num * _gated(config, width), layers * (_attention(config) + biases + router + expert_biases)
    )


_KINDS: dict[str, Callable[[Config], Parameters | None]] = {
    "mixtral": _mixtral,
    "qwen3_moe": _qwen3_moe,
    "qwen3_next": _qwen3_next,
    "deepseek_v2": _deepseek,
    "deepseek_v3": _deepseek,
    "gpt_oss": _gpt_oss,
}
