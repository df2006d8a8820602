"""Every wrong configuration gets one clear refusal: the key, the value seen and what is allowed."""

from contextlib import suppress
from copy import deepcopy
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from llmdvfs.errors import ConfigError
from llmdvfs.plan.cells import all_cells
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


WORKLOAD = {
    "prompts": {"prompt_tokens": 8, "output_tokens": 4},
    "arrival": {"kind": "closed", "concurrency": 1},
    "num_requests": 1,
}

RUSH = {
    "prompts": {"prompt_tokens": 8, "output_tokens": 4},
    "arrival": {"kind": "poisson", "rate_rps": 10_000},
    "duration_s": 1000,
}

WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"launchs": 3}, ["launchs", "did you mean 'launches'"]),
    ({"launches": "many"}, ["launches", "'many'", "integer"]),
    ({"launches": 0}, ["launches", "0", "1 or more"]),
    (
        {"measure.points_under_load": True, "measure.fresh_servers": True},
        ["measure.points_under_load", "fresh_servers"],
    ),
    ({"measure.points_under_load": True, "measure.soak": "auto"}, ["measure.soak: auto", "points_under_load"]),
    ({"measure.soak": "always"}, ["measure.soak", "'always'", "auto"]),
    ({"measure.half_width_fraction": 0.01}, ["measure.half_width_fraction: 0.01", "points_under_load"]),
    ({"measure.idle_at_points_s": 1}, ["measure.idle_at_points_s: 1", "points_under_load"]),
    ({"measure.skip_cap_bound": True}, ["measure.skip_cap_bound", "points_under_load"]),
    (
        {"measure.points_under_load": True, "measure.skip_cap_bound": True},
        ["measure.skip_cap_bound", "tolerate_failed_cells: true"],
    ),
    ({"models": {"a" * 100: {"source": "tiny"}}}, ["aaaa", "nothing 20 times in a row"]),
    (
        {"models": {"m": {"source": "tiny", "served_name": "two words"}}},
        ["served_name", "'two words'", "org/model:tag"],
    ),
    ({"architectures": ["dual"]}, ["architectures", "'dual'", "single", "disaggregated"]),
    ({"architectures": []}, ["architectures", "at least 1"]),
    ({"architectures": "disaggregated-1p1d-carrier_pigeon"}, ["carrier_pigeon", "p2p_nccl"]),
    ({"device": "tpu"}, ["device", "'tpu'", "cpu, cuda"]),
    ({"workloads.prefill.arrival": {"kind": "poisson", "rate_rps": -1}}, ["rate_rps", "-1", "1e-06 or more"]),
    ({"workloads.prefill.arrival": {"kind": "poisson", "rate_rps": 1e5}}, ["rate_rps", "100000", "20000 or less"]),
    ({"workloads": {"w": RUSH}}, ["w.duration_s: 1000", "10000000 requests at 10000/s", "up to 2000000"]),
    ({"workloads.prefill.arrival": {"kind": "poisson"}}, ["rate_rps", "null", "poisson"]),
    ({"workloads.prefill.arrival": {"kind": "closed"}}, ["concurrency", "closed"]),
    ({"workloads.prefill.duration_s": None}, ["workloads.prefill", "num_requests", "duration_s"]),
    ({"workloads.prefill.duration_s": None, "workloads.prefill.num_requests": 9}, ["min_requests: 12", "duration_s"]),
    ({"workloads.prefill.arrival": {"kind": "poisson", "rate_rps": 1}}, ["min_requests: 12", "'closed'"]),
    ({"workloads.prefill.max_duration_s": 5}, ["max_duration_s: 5", "at least duration_s"]),
    ({"workloads.prefill.min_requests": None}, ["max_duration_s: 60", "min_requests"]),
    ({"workloads.prefill.prompts.output_tokens": 8}, ["isolates", "output_tokens = 1"]),
    ({"workloads.decode.prompts": {"prompt_tokens": 5000, "output_tokens": 128}}, ["5128", "max_model_len = 4096"]),
    (
        {"workloads.decode.prompts": {"prompt_tokens": {"kind": "uniform", "low": 9, "high": 3}, "output_tokens": 4}},
        ["9", "3"],
    ),
    ({"workloads.decode.prompts": {"prompt_tokens": {"kind": "normal"}, "output_tokens": 4}}, ["normal", "mean", "sd"]),
    ({"workloads.decode.prompts": {"source": "bbh", "output_tokens": 4}}, ["prompts.path", "bbh"]),
    ({"workloads.decode.prompts": {"source": "jsonl", "path": "no/such.jsonl", "output_tokens": 4}}, ["no/such.jsonl"]),
    ({"workloads.my workload": WORKLOAD}, ["my workload", "letters"]),
    ({"workloads": {}}, ["workloads", "at least 1"]),
    ({"models": {"mine": {"source": "path", "location": "no/such/model"}}}, ["no/such/model", "not a folder"]),
    ({"models": {"mine": {"source": "path"}}}, ["models.mine.location", "folder"]),
    ({"models": {"mine": {"source": "cloud"}}}, ["source", "'cloud'", "tiny, path, hub, shape"]),
    ({"serving.connector": "p2p_nccl"}, ["serving.connector", "p2p_nccl", "0.32.0"]),
    ({"serving.engine.max_model_len": "big"}, ["max_model_len", "'big'", "integer"]),
    ({"serving.engine.no_such_setting": 1}, ["no_such_setting", "allowed"]),
    ({"serving.proxy_port": 80}, ["proxy_port", "80", "1024"]),
    ({"serving.route": "sideways"}, ["serving.route", "'sideways'", "proxy, direct"]),
    (
        {"serving.route": "direct", "architectures": ["single", "tensor_parallel-2"]},
        ["serving.route: 'direct'", "several instances", "['single', 'tensor_parallel-2']", "replicated-N"],
    ),
    (
        {"serving.route": "direct", "serving.proxy_port": 8100},
        ["serving.proxy_port: 8100", "null", "serving.route: direct"],
    ),
    ({"serving.python": "/no/such/python"}, ["serving.python", "/no/such/python"]),
    ({"architectures": ["external"]}, ["serving.base_url", "external"]),
    ({"architectures": ["external"], "serving.base_url": "http://h:99999"}, ["serving.base_url", "99999", "65535"]),
    ({"architectures": ["external"], "serving.base_url": "http://[::1"}, ["serving.base_url", "'http://[::1'", "IPv6"]),
    ({"device": "cuda", "serving.gpus": [0], "architectures": ["replicated-2"]}, ["serving.gpus", "needs 2 GPUs"]),
    ({"operating_points": {"low": {"sm_clock_mhz": {"encoder": 900}}}}, ["encoder", "prefill"]),
    ({"telemetry.interval_s": 0}, ["interval_s", "0.005 or more"]),
    ({"results": "../elsewhere"}, ["results", "'..'"]),
    # what YAML makes of what was written
    ({"launches": True}, ["launches: true", "integer"]),
    ({"launches": None}, ["launches: null", "integer", "leave the key out"]),
    ({"launches": [3]}, ["launches: [3]", "integer"]),
    ({"launches": 2.5}, ["launches: 2.5", "integer"]),
    ({"launches": float("nan")}, ["launches: .nan", "integer", "finite"]),
    ({"launches": 10**9}, ["launches: 1000000000", "1000 or less"]),
    ({"serving": None}, ["serving: null", "mapping", "leave the key out"]),
    ({"workloads": None}, ["workloads: null", "mapping", "by name"]),
    ({"workloads": "decode"}, ["workloads: 'decode'", "mapping", "by name"]),
    ({"models": ["tiny"]}, ["models: ['tiny']", "mapping"]),
    ({"workloads.decode": None}, ["workloads.decode: null", "mapping"]),
    ({"workloads": {2026: WORKLOAD}}, ["workloads: name 2026", "quotes"]),
    ({"workloads": {True: WORKLOAD}}, ["workloads: name true", "quotes"]),
    ({"workloads.decode": WORKLOAD | {1: 2, "x": 3}}, ["workloads.decode", "unknown key 1"]),
    ({"serving.engine.env": {"OMP_PROC_BIND": 1}}, ["serving.engine.env.OMP_PROC_BIND: 1", "text", "quotes"]),
    ({"measure.fresh_servers": "sometimes"}, ["measure.fresh_servers: 'sometimes'", "true or false"]),
    # numbers and their units
    ({"workloads.decode.duration_s": "10s"}, ["workloads.decode.duration_s: '10s'", "number", "in seconds"]),
    ({"workloads.decode.duration_s": -0.0}, ["duration_s: -0.0", "more than 0"]),
    ({"workloads.decode.duration_s": float("inf")}, ["duration_s: .inf", "number", "finite"]),
    ({"workloads.decode.duration_s": 1e12}, ["duration_s", "1000000 or less", "in seconds"]),
    ({"telemetry.interval_s": "100ms"}, ["telemetry.interval_s: '100ms'", "in seconds"]),
    ({"serving.engine.gpu_memory_utilization": 90}, ["gpu_memory_utilization: 90", "1 or less", "from 0 to 1"]),
    ({"gates.max_missed_fraction": 5}, ["gates.max_missed_fraction: 5", "1 or less", "from 0 to 1"]),
    ({"seed": 2**70}, ["seed", "9223372036854775807 or less"]),
    ({"workloads.decode.arrival.concurrency": 10**300}, ["concurrency", "100000 or less"]),
    ({"workloads.decode.prompts.prompt_tokens": 0}, ["prompts.prompt_tokens: 0", "number of tokens"]),
    (
        {"workloads.decode.prompts.output_tokens": {"low": 1, "high": 3}},
        ["prompts.output_tokens: key 'kind' is missing"],
    ),
    ({"workloads.decode.prompts.output_tokens": {"kind": "gaussian"}}, ["output_tokens.kind: 'gaussian'", "uniform"]),
    ({"device": "cuda", "operating_points": {"low": {"sm_clock_mhz": 900}}}, ["sm_clock_mhz: 900", "each role"]),
    (
        {"device": "cuda", "operating_points": {"low": {"sm_clock_mhz": {"single": "900MHz"}}}},
        ["single.0: '900MHz'", "a whole number of MHz"],
    ),
    # names and paths
    ({"results": "my results"}, ["results: 'my results'", "letters, digits"]),
    ({"results": "résultats"}, ["results: 'résultats'", "letters, digits"]),
    ({"results": "results;rm -rf x"}, ["results", "letters, digits"]),
    ({"results": "results\n"}, ["results: 'results\\n'", "letters, digits"]),
    ({"results": "-x"}, ["results: '-x'", "not beginning with '-'"]),
    ({"results": "a/../../b"}, ["results", "'..'"]),
    ({"results": "/"}, ["results: '/'", "folder of its own"]),
    ({"results": "."}, ["results: '.'", "folder of its own"]),
    ({"results": ""}, ["results: ''", "letters, digits"]),
    ({"workloads.wörk": WORKLOAD}, ["name 'wörk'", "letters, digits"]),
    ({"workloads.decode\n": WORKLOAD}, ["name 'decode\\n'", "letters, digits"]),
    ({"workloads.$(reboot)": WORKLOAD}, ["name '$(reboot)'", "letters, digits"]),
    ({f"workloads.{'x' * 300}": WORKLOAD}, ["workloads: name", "at most 100"]),
    ({"operating_points": {"../up": {}}}, ["operating_points: name '../up'", "letters, digits"]),
    ({"serving.engine.env": {"A=B": "1"}}, ["serving.engine.env: name 'A=B'", "letters, digits"]),
    ({"serving.engine.extra_args": ["--seed\0"]}, ["extra_args.0", "text without such characters"]),
    # what does not fit together
    ({"architectures": ["single", "single"]}, ["architectures", "each entry once"]),
    ({"architectures": [["single"]]}, ["architectures.0: ['single']", "text"]),
    ({"architectures": "disaggregated-0p1d"}, ["'disaggregated-0p1d'", "disaggregated-XpYd"]),
    ({"device": "CPU"}, ["device: 'CPU'", "did you mean 'cpu'"]),
    ({"device": ["cpu", "cuda"]}, ["device: ['cpu', 'cuda']", "cpu, cuda"]),
    ({"serving.gpus": [0, 0]}, ["serving.gpus: [0, 0]", "each entry once"]),
    ({"serving.gpus": 0}, ["serving.gpus: 0", "list or null"]),
    ({"serving.gpus": [-1]}, ["serving.gpus.0: -1", "0 or more"]),
    ({"architectures": "tensor_parallel-3"}, ["tensor_parallel_size: 3", "4 attention heads", "divisor"]),
    ({"serving.connector": "carrier_pigeon"}, ["serving.connector: 'carrier_pigeon'", "nixl"]),
    ({"models": {"big": {"source": "shape", "location": "gpt-9"}}}, ["models.big.location", "'gpt-9'", "qwen3-8b"]),
    ({"serving.base_url": "localhost:8000"}, ["serving.base_url: 'localhost:8000'", "http://"]),
    ({"serving.base_url": "http://"}, ["serving.base_url: 'http://'", "a URL such as"]),
    (
        {"workloads.decode.arrival": {"kind": "poisson", "rate_rps": 2, "concurrency": 8}},
        ["arrival.concurrency: 8", "not used by", "'poisson'", "rate_rps"],
    ),
    ({"workloads.decode.arrival": "poisson"}, ["workloads.decode.arrival: 'poisson'", "mapping"]),
    ({"workloads.decode.arrival": {"kind": "trace"}}, ["trace_path", "trace"]),
    ({"workloads.decode.prompts.output_tokens": 1}, ["isolates: 'decode'", "2 or more"]),
    (
        {
            "workloads.decode.prompts": {
                "source": "shared_prefix",
                "prompt_tokens": 8,
                "output_tokens": 4,
                "num_prefixes": 2,
                "prefix_tokens": 8,
            }
        },
        ["prefix_tokens: 8", "shortest prompt"],
    ),
    ({"workloads.decode.slo": {"ttft_ms": 500}}, ["'ttft_ms'", "did you mean 'ttft_s'"]),
    (
        {"device": "cuda", "architectures": ["single"], "operating_points": {"low": {"sm_clock_mhz": {"decode": 900}}}},
        ["operating_points.low", "decode", "single"],
    ),
    ({"operating_points": {}}, ["operating_points", "at least 1"]),
    ({"baseline": "replicated-2"}, ["baseline: 'replicated-2'", "['single', 'disaggregated']", "or null"]),
    ({"baseline": 2}, ["baseline: 2"]),
    ({"strict_launches": True, "measure.fresh_servers": True}, ["strict_launches", "measure.fresh_servers"]),
    ({"strict_launches": "very"}, ["strict_launches: 'very'", "true or false"]),
]
SECRET = "sk-not-to-be-shown"
SECRETS: list[tuple[dict[str, Any], str]] = [
    ({"api_key": SECRET}, "api_key: a key does not belong"),
    ({"serving.api_key": SECRET}, "serving.api_key: does not belong"),
    ({"serving.engine.env": {"HF_TOKEN": SECRET}}, "serving.engine.env.HF_TOKEN: does not belong"),
    ({"serving.engine_by_role": {"decode": {"env": {"VLLM_API_KEY": SECRET}}}}, "decode.env.VLLM_API_KEY"),
    ({"serving.engine.extra_args": ["--api-key", SECRET]}, "extra_args: --api-key: a secret on a command line"),
    ({"serving.engine.extra_args": [f"--api-key={SECRET}"]}, "extra_args: --api-key: a secret on a command line"),
    ({"serving.base_url": f"https://me:{SECRET}@host/v1"}, "serving.base_url: a user name, password or query"),
    ({"serving.base_url": f"https://host/v1?key={SECRET}"}, "serving.base_url: a user name, password or query"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG, ids=[str(changes)[:60] for changes, _ in WRONG])
def test_wrong_configuration_is_refused_by_name(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as refusal:
        check_preconditions(study_of(changes), measuring=True)
    message = str(refusal.value)
    for word in words:
        assert word in message
    assert len(message) < 500
    assert len(message.splitlines()) <= 2  # a heading and the one thing that is wrong


@pytest.mark.parametrize(("changes", "words"), SECRETS, ids=[words for _, words in SECRETS])
def test_a_secret_in_the_configuration_is_refused_and_not_shown(changes: dict[str, Any], words: str) -> None:
    """All of the configuration is kept with the results, in launch.json and run.json."""
    with pytest.raises(ConfigError) as refusal:
        study_of(changes | {"launches": -1})
    assert words in str(refusal.value)
    assert "environment" in str(refusal.value) or "LLMDVFS_API_KEY" in str(refusal.value)
    assert SECRET not in str(refusal.value)


def test_names_that_only_sound_secret_are_taken() -> None:
    variables = {"TOKENIZERS_PARALLELISM": "false"}
    study = study_of({"serving.engine.env": variables, "serving.engine.extra_args": ["--max-logprobs=64"]})
    assert study.deployments["single_tiny"].engine["single"].env == variables


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
        ("5.0", "launches", 5),
        (5.0, "launches", 5),
        ("1e1", "launches", 10),
        (date(2026, 11, 22), "remeasure", "2026-11-22"),
    ],
)
def test_values_are_read_by_type(given: object, key: str, read: object) -> None:
    """`--config launches=5` may deliver a string, `flag=true` always does; YAML reads 1e1 as text."""
    value = complete_config(config_with({key: given}))[key]
    assert (value, type(value)) == (read, type(read))


def test_a_configuration_that_contains_itself_is_refused() -> None:
    knot: dict[str, Any] = {}
    knot["engine"] = knot
    with pytest.raises(ConfigError, match="contains itself"):
        complete_config(config_with({"serving": knot}))


def test_a_page_of_aliases_is_not_a_million_values() -> None:
    """Ten lines of YAML, each ten times the one before it: they were looked through for minutes."""
    bomb = yaml.safe_load(
        "a: &a [0]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in pairwise("abcdefgh"))
    )
    with pytest.raises(ConfigError, match="over 100000 values"):
        complete_config(config_with({"serving": bomb}))


def test_nested_command_line_strings_are_read_by_type() -> None:
    config = complete_config(config_with({"measure": {"fresh_servers": "true", "retries": "2"}}))
    assert config["measure"]["fresh_servers"] is True
    assert config["measure"]["retries"] == 2


@pytest.mark.parametrize("path", sorted(CONFIG_FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_every_study_file_is_valid(path: Path) -> None:
    complete_config(yaml.safe_load(path.read_text(encoding="utf-8")))


NAMES = st.text(max_size=8) | st.integers() | st.booleans() | st.none()
SCRAPS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
KEYS = ["launches", "architectures", "models", "workloads", "serving", "operating_points", "measure", "seed", "results"]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), SCRAPS, max_size=3))
def test_any_configuration_is_planned_or_refused(scraps: dict[str, Any]) -> None:
    """Never a traceback: whatever is written there, the answer is a study or a ConfigError."""
    config = config_with({}) | scraps
    with suppress(ConfigError):
        study = make_study(complete_config(config), lambda python: ENGINE)
        assert len(list(all_cells(study))) >= 1
        check_preconditions(study, measuring=True)


def test_an_endpoint_is_asked_for_the_name_it_knows() -> None:
    """`Qwen/Qwen3-8B` cannot be the name of a folder, and was what the endpoint wanted to hear."""
    named = {"models": {"qwen3-8b": {"source": "hub", "location": "Qwen/Qwen3-8B", "served_name": "Qwen/Qwen3-8B"}}}
    (deployment,) = study_of({**named, "architectures": ["single"]}).deployments.values()
    assert deployment.id == "single_qwen3-8b"
    assert deployment.model.asked_name == "Qwen/Qwen3-8B"
    (plain,) = study_of({"architectures": ["single"]}).deployments.values()
    assert plain.model.asked_name == "tiny"
