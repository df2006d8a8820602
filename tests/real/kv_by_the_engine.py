"""How many elements of KV cache a token takes, by vLLM's own reading of a config.json.

python kv_by_the_engine.py < JSON list of configurations -> JSON list of numbers on standard output. In a process of its
own, since importing vLLM changes the one that does (its log, its threads).
"""

import json
import sys
from typing import Any

import vllm.config  # noqa: F401  # before the next ones: they import each other
from transformers import CONFIG_MAPPING, PretrainedConfig
from vllm.transformers_utils import model_arch_config_convertor as reading
from vllm.transformers_utils.config import _CONFIG_REGISTRY


def by_the_engine(config: dict[str, Any]) -> int:
    """Return the elements, from the heads, layers and dimensions that vLLM reads."""
    config = {key: value for key, value in config.items() if value is not None}  # published files leave them out
    kind = config["model_type"]
    if kind in CONFIG_MAPPING:
        made = CONFIG_MAPPING[kind](**config)
    elif kind in _CONFIG_REGISTRY:
        made = _CONFIG_REGISTRY[kind](**config)
    else:
        made = PretrainedConfig(**config)
        made.model_type = kind
    convertor = reading.MODEL_ARCH_CONFIG_CONVERTORS.get(kind, reading.ModelArchConfigConvertorBase)(made, made)
    if convertor.is_deepseek_mla():
        return int(convertor.get_num_hidden_layers() * convertor.get_head_size())
    return int(convertor.get_num_hidden_layers() * 2 * convertor.get_total_num_kv_heads() * convertor.get_head_size())


if __name__ == "__main__":
    print(json.dumps([by_the_engine(config) for config in json.load(sys.stdin)]))
