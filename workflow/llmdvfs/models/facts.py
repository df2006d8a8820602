"""What a model needs and moves (bytes of KV cache and of weights), read from its config.json."""

import json
from pathlib import Path
from typing import Any

from llmdvfs.errors import ConfigError
from llmdvfs.models.kv import kv_element_bytes, kv_layout
from llmdvfs.models.parameters import count_parameters
from llmdvfs.models.weights import BITS_PER_BYTE, bits_per_weight, file_bytes

BYTES_PER_ELEMENT = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2, "fp8": 1, "fp8_e4m3": 1}


def read_config(folder: Path) -> dict[str, Any]:
    """Return a model's config.json as a dictionary; of a model with several parts (vision, text), the text part."""
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"model folder {folder}: config.json cannot be read ({error})") from error
    if not isinstance(config, dict):
        raise ConfigError(f"model folder {folder}: config.json holds no mapping; expected the model's own")
    text_config = config.get("text_config")
    return text_config if isinstance(text_config, dict) else config


def kv_bytes_per_token(
    folder: Path, dtype: str | None = None, extra_args: tuple[str, ...] = (), tensor_parallel_size: int = 1
) -> int | None:
    """Return the bytes of KV cache that one token takes over all layers; docs/metrics.md#kv-transfer.

    dtype: that in which the model is served (None or "auto": its own). extra_args: arguments of the engine, which may
    ask for a KV dtype of its own. tensor_parallel_size: above 1, the bytes on one rank of so many. None is returned
    where config.json does not say it for certain, or where layers differ so that there is no such constant
    (models/kv.py).
    """
    config = read_config(folder)
    layout = kv_layout(config)
    element_bytes = kv_element_bytes(config, bytes_per_element(config, dtype), extra_args)
    if layout is None or element_bytes is None:
        return None
    if layout.latent_dim is not None and element_bytes == 1:
        return None  # engines lay a latent vector of 8 bits out with scales of their own
    return layout.elements(tensor_parallel_size) * element_bytes


def weight_bytes(folder: Path, dtype: str | None = None) -> int | None:
    """Return the bytes of a model's weights: the size of its files, else by shape and quantization; None: not known."""
    in_files = file_bytes(folder)
    if in_files is not None:
        return in_files
    config = read_config(folder)
    parameters, other_bits = count_parameters(config), bytes_per_element(config, dtype) * BITS_PER_BYTE
    linear_bits = bits_per_weight(config, other_bits)
    if parameters is None or linear_bits is None:
        return None
    return int(parameters.quantized * linear_bits + parameters.others * other_bits) // BITS_PER_BYTE


def least_weight_bytes(folder: Path, dtype: str | None = None) -> int | None:
    """Return the fewest bytes that the weights can take; None where that is not certain.

    Files with 32 bits a weight are served with 16; a model without files is known where it is neither quantized nor a
    mixture of experts.
    """
    config = read_config(folder)
    in_files = file_bytes(folder)
    if in_files is not None:
        own = str(config.get("dtype") or config.get("torch_dtype"))
        return in_files if own in ("bfloat16", "float16") and dtype not in ("float32", "float") else in_files // 2
    if config.get("quantization_config") or any("expert" in key for key in config):
        return None
    return weight_bytes(folder, dtype)


def bytes_per_element(config: dict[str, Any], dtype: str | None) -> int:
    """Return the bytes of one element in the dtype asked for, else in the model's own."""
    if dtype in (None, "auto"):
        own = str(config.get("dtype") or config.get("torch_dtype") or "bfloat16")
        # With dtype "auto" vLLM serves float32 models in 16 bits.
        return 2 if own == "float32" else BYTES_PER_ELEMENT.get(own, 2)
    try:
        return BYTES_PER_ELEMENT[str(dtype)]
    except KeyError:
        raise ConfigError(f"dtype {dtype!r} is not known; expected auto, {', '.join(BYTES_PER_ELEMENT)}") from None
