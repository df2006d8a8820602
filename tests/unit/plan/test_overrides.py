"""What would make a server another one than is recorded is refused, with the key that is meant."""

from typing import Any

import pytest
from unit.plan.test_config import study_of

from llmdvfs.errors import ConfigError
from llmdvfs.plan.overrides import FLAGS, NO_FLAGS, VARIABLES
from llmdvfs.records.spec import EngineSpec
from llmdvfs.serving.instance.command import SWITCH_FLAGS, VALUE_FLAGS

REFUSED: list[tuple[list[str], list[str]]] = [
    (["--port", "8000"], ["extra_args: --port", "chosen when the servers start"]),
    (["--host=0.0.0.0"], ["extra_args: --host", "loopback"]),
    (["--model", "another"], ["models.NAME.location"]),
    (["--served-model-name", "gpt"], ["models.NAME.served_name"]),
    (["--served_model_name", "gpt"], ["models.NAME.served_name"]),
    (["--served-mod", "gpt"], ["extra_args: --served-mod:", "models.NAME.served_name"]),
    (["--max-num-seqs", "4"], ["set serving.engine.max_num_seqs"]),
    (["--no-enable-prefix-caching"], ["set serving.engine.enable_prefix_caching"]),
    (["-tp", "2"], ["set serving.engine.tensor_parallel_size"]),
    (["-tp=2"], ["set serving.engine.tensor_parallel_size"]),
    (["--kv-transfer-config.kv_role", "kv_both"], ["serving.connector"]),
    (["--config", "vllm.yaml"], ["a file that nobody records"]),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED, ids=[given[0] for given, _ in REFUSED])
def test_an_argument_that_a_key_sets_is_refused(arguments: list[str], words: list[str]) -> None:
    """The last of two equal flags wins in vLLM: a `--port` here, and the readiness of nobody was waited for."""
    with pytest.raises(ConfigError) as refusal:
        study_of({"serving.engine.extra_args": arguments})
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize("name", [*VARIABLES, "LLMDVFS_LOCK_FOLDER"])
def test_a_variable_that_a_key_sets_is_refused(name: str) -> None:
    """CUDA_VISIBLE_DEVICES in engine.env: the server computed on one GPU, and the energy was that of another."""
    with pytest.raises(ConfigError, match=rf"serving\.engine_by_role\.decode\.env\.{name}: contradicts"):
        study_of({"serving.engine_by_role": {"decode": {"env": {name: "1"}}}})


def test_what_no_key_sets_is_taken() -> None:
    arguments = ["--max-logprobs", "5", "--quantization", "fp8", "--model-impl=auto", "--kv-cache-dtype", "fp8"]
    env = {"UCX_TLS": "tcp", "NCCL_SOCKET_IFNAME": "eth0", "VLLM_ATTENTION_BACKEND": "FLASHINFER"}
    given: dict[str, Any] = {"serving.engine.extra_args": arguments, "serving.engine.env": env}
    engine = study_of(given).deployments["single_tiny"].engine["single"]
    assert engine.extra_args == tuple(arguments)
    assert engine.env.items() >= env.items()


def test_every_flag_that_a_setting_gives_is_known() -> None:
    """A new setting of the engine is refused as an argument without anybody thinking of it."""
    given = {flag: key for key, flag in VALUE_FLAGS.items()} | {f"--{flag}": key for key, flag in SWITCH_FLAGS.items()}
    assert given.items() <= FLAGS.items()
    settings = set(EngineSpec.__dataclass_fields__) - NO_FLAGS
    assert settings == set(FLAGS.values())
