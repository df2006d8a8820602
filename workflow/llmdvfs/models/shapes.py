"""Known model shapes: speed, power and KV bytes of a real model, without its weights (`load_format: dummy`)."""

from dataclasses import replace
from pathlib import Path

from llmdvfs.errors import ConfigError
from llmdvfs.models.folder import write_folder, write_json
from llmdvfs.models.shape import Shape, config
from llmdvfs.models.tokenizer import write_tokenizer

RECIPE_VERSION = 1  # raise it whenever the files written here change
TOKENIZER_SEED = 0


def _qwen3(layers: int, hidden: int, intermediate: int, heads: int, tied: bool) -> Shape:
    sizes = (layers, hidden, intermediate, heads, 8, 128, 151_936, 40_960)
    return Shape("Qwen3ForCausalLM", "qwen3", *sizes, tied, 1_000_000.0, 1e-6)


def _llama3(layers: int, hidden: int, intermediate: int, heads: int, head_dim: int, tied: bool) -> Shape:
    sizes = (layers, hidden, intermediate, heads, 8, head_dim, 128_256, 131_072)
    return Shape("LlamaForCausalLM", "llama", *sizes, tied, 500_000.0, 1e-5)


_QWEN3_8B = _qwen3(36, 4096, 12_288, 32, False)
_QWEN3_30B_A3B = Shape(
    "Qwen3MoeForCausalLM", "qwen3_moe", 48, 2048, 6144, 32, 4, 128, 151_936, 40_960, False, 1_000_000.0, 1e-6,
    more={
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 768,
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    },
)  # fmt: skip
_QWEN3_NEXT = Shape(
    "Qwen3NextForCausalLM", "qwen3_next", 48, 2048, 5120, 16, 2, 256, 151_936, 262_144, False, 10_000_000.0, 1e-6,
    more={
        "full_attention_interval": 4,
        "partial_rotary_factor": 0.25,
        "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": 128,
        "linear_value_head_dim": 128,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 32,
        "num_experts": 512,
        "num_experts_per_tok": 10,
        "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512,
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    },
)  # fmt: skip
_DEEPSEEK_V2_LITE = Shape(
    "DeepseekV2ForCausalLM", "deepseek_v2", 27, 2048, 10_944, 16, 16, None, 102_400, 163_840, False, 10_000.0, 1e-6,
    more={
        "kv_lora_rank": 512,
        "q_lora_rank": None,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "num_experts_per_tok": 6,
        "moe_intermediate_size": 1408,
        "first_k_dense_replace": 1,
        "moe_layer_freq": 1,
        "n_group": 1,
        "topk_group": 1,
        "topk_method": "greedy",
        "norm_topk_prob": False,
        "routed_scaling_factor": 1.0,
        "scoring_func": "softmax",
        "rope_scaling": {
            "type": "yarn",
            "factor": 40,
            "beta_fast": 32,
            "beta_slow": 1,
            "mscale": 0.707,
            "mscale_all_dim": 0.707,
            "original_max_position_embeddings": 4096,
        },
    },
)  # fmt: skip
_GPT_OSS_20B = Shape(
    "GptOssForCausalLM", "gpt_oss", 24, 2880, 2880, 64, 8, 64, 201_088, 131_072, False, 150_000.0, 1e-5,
    more={
        "attention_bias": True,
        "num_local_experts": 32,
        "num_experts_per_tok": 4,
        "experts_per_token": 4,
        "swiglu_limit": 7.0,
        "sliding_window": 128,
        "layer_types": ["sliding_attention", "full_attention"] * 12,
        "initial_context_length": 4096,
        "rope_scaling": {
            "rope_type": "yarn",
            "factor": 32.0,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "original_max_position_embeddings": 4096,
            "truncate": False,
        },
        "quantization_config": {
            "quant_method": "mxfp4",
            "modules_to_not_convert": [
                "model.layers.*.self_attn",
                "model.layers.*.mlp.router",
                "model.embed_tokens",
                "lm_head",
            ],
        },
    },
)  # fmt: skip
_FP8_BLOCKS = {
    "quantization_config": {
        "quant_method": "fp8",
        "fmt": "e4m3",
        "activation_scheme": "dynamic",
        "weight_block_size": [128, 128],
    }
}

SHAPES: dict[str, Shape] = {
    "qwen3-0.6b": _qwen3(28, 1024, 3072, 16, True),
    "qwen3-1.7b": _qwen3(28, 2048, 6144, 16, True),
    "qwen3-4b": _qwen3(36, 2560, 9728, 32, True),
    "qwen3-8b": _QWEN3_8B,
    "qwen3-8b-fp8": replace(_QWEN3_8B, more=_FP8_BLOCKS),
    "qwen3-14b": _qwen3(40, 5120, 17_408, 40, False),
    "qwen3-32b": _qwen3(64, 5120, 25_600, 64, False),
    "qwen3-30b-a3b": _QWEN3_30B_A3B,
    "qwen3-next-80b-a3b": _QWEN3_NEXT,
    "llama-3.2-1b": _llama3(16, 2048, 8192, 32, 64, True),
    "llama-3.2-3b": _llama3(28, 3072, 8192, 24, 128, True),
    "llama-3.1-8b": _llama3(32, 4096, 14_336, 32, 128, False),
    "llama-3.1-70b": _llama3(80, 8192, 28_672, 64, 128, False),
    "deepseek-v2-lite": _DEEPSEEK_V2_LITE,
    "gpt-oss-20b": _GPT_OSS_20B,
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
