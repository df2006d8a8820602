"""KV figures of published models by the engine's own reading of config.json, beside what models/kv.py makes of them."""

from typing import Any

import pytest
from unit.models.test_kv import PUBLISHED

from llmdvfs.models.kv import kv_layout

ANSWERED = [(name, config) for name, config, expected in PUBLISHED if expected is not None]


def by_the_engine(config: dict[str, Any]) -> int:
    """Return the elements of KV cache that a token takes, from the heads, layers and dimensions that vLLM reads."""
    import vllm.config  # noqa: F401  # before the next one: they import each other
    from transformers import CONFIG_MAPPING, PretrainedConfig
    from vllm.transformers_utils import model_arch_config_convertor as reading
    from vllm.transformers_utils.config import _CONFIG_REGISTRY

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


@pytest.mark.parametrize(("name", "config"), ANSWERED, ids=[name for name, _ in ANSWERED])
def test_the_engine_reads_the_same_figures(name: str, config: dict[str, Any]) -> None:
    layout = kv_layout(config)
    assert layout is not None
    assert layout.elements() == by_the_engine(config)
