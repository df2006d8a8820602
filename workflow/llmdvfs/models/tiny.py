"""The tiny model: a real Llama of three million parameters with seeded random weights."""

from pathlib import Path
from typing import Any

from llmdvfs.models.folder import write_folder, write_json
from llmdvfs.models.tokenizer import END_TOKEN_ID, NUM_TRAINED_TOKENS, PAD_TOKEN_ID, write_tokenizer

RECIPE_VERSION = 1  # raise it whenever the files written here change

NUM_LAYERS = 4
HIDDEN_SIZE = 256
INTERMEDIATE_SIZE = 512
NUM_HEADS = 4
NUM_KV_HEADS = 2
HEAD_DIM = 64
VOCAB_SIZE = NUM_TRAINED_TOKENS
MAX_MODEL_LEN = 8192
WEIGHT_SD = 0.2  # wide enough that greedy text depends on the prompt instead of repeating one token


def write_tiny_model(folder: Path, seed: int) -> None:
    """Write config.json, a tokenizer and seeded 16-bit weights: under 10 MB, the same bytes for the same seed."""

    def fill(draft: Path) -> None:
        write_json(draft / "config.json", config())
        write_json(draft / "generation_config.json", {"eos_token_id": END_TOKEN_ID, "pad_token_id": PAD_TOKEN_ID})
        write_tokenizer(draft, VOCAB_SIZE, seed, MAX_MODEL_LEN)
        _write_weights(draft / "model.safetensors", seed)

    write_folder(folder, {"model": "tiny", "seed": seed, "version": RECIPE_VERSION}, fill)


def config() -> dict[str, Any]:
    """Return the tiny model's config.json."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "bos_token_id": None,
        "eos_token_id": END_TOKEN_ID,
        "pad_token_id": PAD_TOKEN_ID,
        "head_dim": HEAD_DIM,
        "hidden_act": "silu",
        "hidden_size": HIDDEN_SIZE,
        "intermediate_size": INTERMEDIATE_SIZE,
        "max_position_embeddings": MAX_MODEL_LEN,
        "mlp_bias": False,
        "num_attention_heads": NUM_HEADS,
        "num_hidden_layers": NUM_LAYERS,
        "num_key_value_heads": NUM_KV_HEADS,
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "vocab_size": VOCAB_SIZE,
    }


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Return name -> shape of every tensor, in the order in which the random weights are drawn."""
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCAB_SIZE, HIDDEN_SIZE)}
    for layer in range(NUM_LAYERS):
        prefix = f"model.layers.{layer}"
        shapes |= {
            f"{prefix}.input_layernorm.weight": (HIDDEN_SIZE,),
            f"{prefix}.self_attn.q_proj.weight": (NUM_HEADS * HEAD_DIM, HIDDEN_SIZE),
            f"{prefix}.self_attn.k_proj.weight": (NUM_KV_HEADS * HEAD_DIM, HIDDEN_SIZE),
            f"{prefix}.self_attn.v_proj.weight": (NUM_KV_HEADS * HEAD_DIM, HIDDEN_SIZE),
            f"{prefix}.self_attn.o_proj.weight": (HIDDEN_SIZE, NUM_HEADS * HEAD_DIM),
            f"{prefix}.post_attention_layernorm.weight": (HIDDEN_SIZE,),
            f"{prefix}.mlp.gate_proj.weight": (INTERMEDIATE_SIZE, HIDDEN_SIZE),
            f"{prefix}.mlp.up_proj.weight": (INTERMEDIATE_SIZE, HIDDEN_SIZE),
            f"{prefix}.mlp.down_proj.weight": (HIDDEN_SIZE, INTERMEDIATE_SIZE),
        }
    return shapes | {"model.norm.weight": (HIDDEN_SIZE,), "lm_head.weight": (VOCAB_SIZE, HIDDEN_SIZE)}


def _write_weights(path: Path, seed: int) -> None:
    import numpy as np  # here, since every plan imports this file
    from safetensors.numpy import save_file

    # RandomState's stream is frozen: the same seed gives the same weights with every numpy.
    random = np.random.RandomState(seed)
    tensors = {}
    for name, shape in weight_shapes().items():
        is_norm = len(shape) == 1
        values = np.ones(shape) if is_norm else random.standard_normal(shape) * WEIGHT_SD
        tensors[name] = values.astype(np.float16)  # numpy has no bfloat16; vLLM converts when it loads
    save_file(tensors, str(path), metadata={"format": "pt"})
    path.chmod(0o644)
