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
