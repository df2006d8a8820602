"""Known model shapes: speed, power and KV bytes of a real model, without its weights (`load_format: dummy`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmdvfs.errors import ConfigError
from llmdvfs.models.folder import write_folder, write_json
from llmdvfs.models.tokenizer import END_TOKEN_ID, PAD_TOKEN_ID, write_tokenizer

RECIPE_VERSION = 1  # raise it whenever the files written here change
TOKENIZER_SEED = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers of a published config.json that decide how much is computed and moved."""

    architecture: str
    model_type: str
    num_layers: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    vocab_size: int
    max_model_len: int
    tied_embeddings: bool
    rope_theta: float
    rms_norm_eps: float


def _qwen3(layers: int, hidden: int, intermediate: int, heads: int, tied: bool) -> Shape:
    sizes = (layers, hidden, intermediate, heads, 8, 128, 151_936, 40_960)
    return Shape("Qwen3ForCausalLM", "qwen3", *sizes, tied, 1_000_000.0, 1e-6)


def _llama3(layers: int, hidden: int, intermediate: int, heads: int, head_dim: int, tied: bool) -> Shape:
    sizes = (layers, hidden, intermediate, heads, 8, head_dim, 128_256, 131_072)
    return Shape("LlamaForCausalLM", "llama", *sizes, tied, 500_000.0, 1e-5)


SHAPES: dict[str, Shape] = {
    "qwen3-0.6b": _qwen3(28, 1024, 3072, 16, True),
    "qwen3-1.7b": _qwen3(28, 2048, 6144, 16, True),
    "qwen3-4b": _qwen3(36, 2560, 9728, 32, True),
    "qwen3-8b": _qwen3(36, 4096, 12_288, 32, False),
    "qwen3-14b": _qwen3(40, 5120, 17_408, 40, False),
    "qwen3-32b": _qwen3(64, 5120, 25_600, 64, False),
    "llama-3.2-1b": _llama3(16, 2048, 8192, 32, 64, True),
    "llama-3.2-3b": _llama3(28, 3072, 8192, 24, 128, True),
    "llama-3.1-8b": _llama3(32, 4096, 14_336, 32, 128, False),
    "llama-3.1-70b": _llama3(80, 8192, 28_672, 64, 128, False),
}


def write_shape(folder: Path, name: str) -> None:
    """Write config.json and a tokenizer for a known shape; ConfigError lists the known ones."""
    shape = shape_named(name)

    def fill(draft: Path) -> None:
        write_json(draft / "config.json", config(shape))
        write_tokenizer(draft, shape.vocab_size, TOKENIZER_SEED, shape.max_model_len)

    write_folder(folder, {"model": name, "version": RECIPE_VERSION}, fill)


def shape_named(name: str) -> Shape:
    """Return a known shape; ConfigError lists the known ones."""
    try:
        return SHAPES[name]
    except KeyError:
        raise ConfigError(f"model shape {name!r} is not known; expected one of {', '.join(SHAPES)}") from None


def config(shape: Shape) -> dict[str, Any]:
    """Return the shape's config.json."""
    return {
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
