"""Every wrong configuration gets one clear refusal: the key, the value seen and what is allowed."""

from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from llmdvfs.errors import ConfigError
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.preflight import check_preconditions
from llmdvfs.plan.study import Study, make_study

CONFIG_FOLDER = Path(__file__).parents[3] / "config"
ENGINE = {"vllm": "0.32.0", "torch": "2.13.0+cpu", "python": "3.11.7"}


def config_with(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the default configuration with dotted keys changed."""
    config = yaml.safe_load((CONFIG_FOLDER / "config.yaml").read_text(encoding="utf-8"))
    for key, value in changes.items():
        *folders, last = key.split(".")
        place = config
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = deepcopy(value)
    return config


def study_of(changes: dict[str, Any]) -> Study:
    return make_study(complete_config(config_with(changes)), lambda python: ENGINE)


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"launchs": 3}, ["launchs", "did you mean 'launches'"]),
    ({"launches": "many"}, ["launches", "'many'", "integer"]),
    ({"launches": 0}, ["launches", "0", "1 or more"]),
    ({"architectures": ["dual"]}, ["'dual'", "single", "disaggregated"]),
    ({"architectures": []}, ["architectures", "at least 1"]),
    ({"architectures": "disaggregated-1p1d-carrier_pigeon"}, ["carrier_pigeon", "p2p_nccl"]),
    ({"device": "tpu"}, ["device", "'tpu'", "cpu, cuda"]),
    ({"workloads.prefill.arrival": {"kind": "poisson", "rate_rps": -1}}, ["rate_rps", "-1", "more than 0"]),
    ({"workloads.prefill.arrival": {"kind": "poisson"}}, ["rate_rps", "null", "poisson"]),
    ({"workloads.prefill.arrival": {"kind": "closed"}}, ["concurrency", "closed"]),
    ({"workloads.prefill.duration_s": None}, ["workloads.prefill", "num_requests", "duration_s"]),
    ({"workloads.prefill.prompts.output_tokens": 8}, ["isolates", "output_tokens = 1"]),
    ({"workloads.decode.prompts": {"prompt_tokens": 5000, "output_tokens": 128}}, ["5128", "max_model_len = 4096"]),
    (
        {"workloads.decode.prompts": {"prompt_tokens": {"kind": "uniform", "low": 9, "high": 3}, "output_tokens": 4}},
        ["9", "3"],
    ),
    ({"workloads.decode.prompts": {"prompt_tokens": {"kind": "normal"}, "output_tokens": 4}}, ["normal", "mean", "sd"]),
    ({"workloads.decode.prompts": {"source": "bbh", "output_tokens": 4}}, ["prompts.path", "bbh"]),
    ({"workloads.decode.prompts": {"source": "jsonl", "path": "no/such.jsonl", "output_tokens": 4}}, ["no/such.jsonl"]),
    ({"workloads.my workload": {}}, ["my workload", "letters"]),
    ({"workloads": {}}, ["workloads", "at least 1"]),
    ({"models": {"mine": {"source": "path", "location": "no/such/model"}}}, ["no/such/model", "not a folder"]),
    ({"models": {"mine": {"source": "path"}}}, ["models.mine.location", "folder"]),
    ({"models": {"mine": {"source": "cloud"}}}, ["source", "'cloud'", "tiny, path, hub, shape"]),
    ({"serving.connector": "p2p_nccl"}, ["p2p_nccl", "0.32.0"]),
    ({"serving.engine.max_model_len": "big"}, ["max_model_len", "'big'", "integer"]),
    ({"serving.engine.no_such_setting": 1}, ["no_such_setting", "allowed"]),
    ({"serving.proxy_port": 80}, ["proxy_port", "80", "1024"]),
    ({"serving.python": "/no/such/python"}, ["serving.python", "/no/such/python"]),
    ({"architectures": ["external"]}, ["serving.base_url", "external"]),
    ({"device": "cuda", "serving.gpus": [0], "architectures": ["replicated-2"]}, ["serving.gpus", "needs 2 GPUs"]),
    ({"operating_points": {"low": {"sm_clock_mhz": {"encoder": 900}}}}, ["encoder", "prefill"]),
    ({"telemetry.interval_s": 0}, ["interval_s", "0.005 or more"]),
    ({"results": "../elsewhere"}, ["results", "'..'"]),
]


@pytest.mark.parametrize(("changes", "words"), WRONG, ids=[str(changes)[:60] for changes, _ in WRONG])
def test_wrong_configuration_is_refused_by_name(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as refusal:
        check_preconditions(study_of(changes), measuring=True)
    for word in words:
        assert word in str(refusal.value)


def test_port_in_use_is_refused(unused_tcp_listener: int) -> None:
    with pytest.raises(ConfigError, match=f"proxy_port: {unused_tcp_listener} is not free"):
        check_preconditions(study_of({"serving.proxy_port": unused_tcp_listener}), measuring=True)


def test_all_wrong_keys_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as refusal:
        complete_config(config_with({"launches": -1, "device": "abacus", "seed": "x"}))
    assert all(key in str(refusal.value) for key in ("launches", "device", "seed"))


@pytest.mark.parametrize(
    ("given", "key", "read"),
    [
        ("single,disaggregated", "architectures", ["single", "disaggregated"]),
        ("single", "architectures", ["single"]),
        ("5", "launches", 5),
    ],
)
def test_command_line_strings_are_read_by_type(given: str, key: str, read: object) -> None:
    """`--config launches=5` may deliver a string; `flag=true` always does."""
    assert complete_config(config_with({key: given}))[key] == read


def test_nested_command_line_strings_are_read_by_type() -> None:
    config = complete_config(config_with({"measure": {"fresh_servers": "true", "retries": "2"}}))
    assert config["measure"]["fresh_servers"] is True
    assert config["measure"]["retries"] == 2


@pytest.mark.parametrize("path", sorted(CONFIG_FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_every_study_file_is_valid(path: Path) -> None:
    complete_config(yaml.safe_load(path.read_text(encoding="utf-8")))


SCRAPS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["launches", "architectures", "models", "workloads", "serving", "operating_points", "measure", "seed", "results"]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), SCRAPS, max_size=3))
def test_any_configuration_is_planned_or_refused(scraps: dict[str, Any]) -> None:
    """Never a traceback: whatever is written there, the answer is a study or a ConfigError."""
    config = config_with({}) | scraps
    with suppress(ConfigError):
        assert make_study(complete_config(config), lambda python: ENGINE).num_launches >= 1
