"""What of a published config.json decides how much is computed and moved, and the file that says it to an engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llmdvfs.models.tokenizer import END_TOKEN_ID, PAD_TOKEN_ID


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers that every kind of model has, and those of its own kind."""

    architecture: str
    model_type: str
    num_layers: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int | None
    """None: its config.json names none, as the class has dimensions of its own."""
    vocab_size: int
    max_model_len: int
    tied_embeddings: bool
    rope_theta: float
    rms_norm_eps: float
    more: Mapping[str, Any] = field(default_factory=dict)
    """Keys of config.json that this kind has beside: experts, latent attention, windows, quantization."""


def config(shape: Shape) -> dict[str, Any]:
    """Return the shape's config.json."""
    content = {
        "architectures": [shape.architecture],
        "model_type": shape.model_type,
        "attention_bias": False,
        "bos_token_id": None,
        "eos_token_id": END_TOKEN_ID,
        "pad_token_id": PAD_TOKEN_ID,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "max_position_embeddings": shape.max_model_len,
        "num_attention_heads": shape.num_heads,
        "num_hidden_layers": shape.num_layers,
        "num_key_value_heads": shape.num_kv_heads,
        "rms_norm_eps": shape.rms_norm_eps,
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": shape.tied_embeddings,
        "torch_dtype": "bfloat16",
        "vocab_size": shape.vocab_size,
    }
    if shape.head_dim is None:
        del content["head_dim"]
    return content | dict(shape.more)
