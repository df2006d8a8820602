"""What a study says of its traces and data sets: looked at when it is planned, not after servers have started."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.load.schedule.plan import plan_requests
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.config_file import read_config_file
from llmdvfs.plan.preflight import check_preconditions
from llmdvfs.plan.study import Study, make_study

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00+00:00,100,5\n"


def study_of(tmp_path: Path, prompts: dict[str, Any], arrival: dict[str, Any], **more: Any) -> Study:
    """Return a checked study of one workload."""
    workload = {"prompts": prompts, "arrival": arrival, "num_requests": 3}
    given = {"results": "results", "architectures": ["single"], "workloads": {"mine": workload}, **more}
    study = make_study(complete_config(given), lambda python: {"vllm": "0.32.0"})
    check_preconditions(study, measuring=True)
    return study


def trace(tmp_path: Path, text: str = AZURE, trace_format: str = "azure") -> dict[str, Any]:
    path = tmp_path / "trace"
    path.write_text(text)
    return {"kind": "trace", "trace_path": str(path), "trace_format": trace_format}


PREFIX = {"source": "shared_prefix", "num_prefixes": 1, "prefix_tokens": 16, "output_tokens": 4}


def test_shared_prefixes_of_a_trace_without_blocks_are_there(tmp_path: Path) -> None:
    """They were accepted, and ignored: every prompt was unique."""
    rows = AZURE + "2024-05-10 00:00:01+00:00,200,5\n"
    study = study_of(tmp_path, PREFIX | {"prompt_tokens": {"kind": "trace", "low": 20}}, trace(tmp_path, rows))
    first, second = plan_requests(study.workloads["mine"], None, seed_prompts=1, seed_arrivals=1)
    assert first.prompt_ids is not None
    assert second.prompt_ids is not None
    assert (len(first.prompt_ids), len(second.prompt_ids)) == (100, 200)
    assert first.prompt_ids[:16] == second.prompt_ids[:16]
    assert first.prompt_ids[16:20] != second.prompt_ids[16:20]


def test_shared_prefixes_beside_those_of_a_trace_are_refused(tmp_path: Path) -> None:
    mooncake = '{"timestamp": 0, "input_length": 9, "output_length": 1, "hash_ids": [1]}\n'
    with pytest.raises(ConfigError, match=r"mooncake trace says itself which prefixes are shared"):
        study_of(tmp_path, PREFIX | {"prompt_tokens": 100}, trace(tmp_path, mooncake, "mooncake"))
    with pytest.raises(ConfigError, match=r"trace without low: expected low above prefix_tokens 16"):
        study_of(tmp_path, PREFIX | {"prompt_tokens": {"kind": "trace"}}, trace(tmp_path))


def test_a_trace_of_another_format_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"workloads\.mine\.arrival\.trace_path: .*reads as azure: set trace_format"):
        study_of(tmp_path, {"prompt_tokens": 8, "output_tokens": 4}, trace(tmp_path, AZURE, "burstgpt"))


def test_answers_of_a_data_set_give_lengths_with_any_arrival(tmp_path: Path) -> None:
    """The load generator could count them, and the plan refused the configuration that asks for it."""
    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"p{n}", "output_tokens": 7}) + "\n" for n in range(3)))
    prompts = {"source": "jsonl", "path": str(path), "output_tokens": {"kind": "trace"}}
    study = study_of(tmp_path, prompts, {"kind": "closed", "concurrency": 1})
    assert study.workloads["mine"].prompts.output_tokens.kind == "trace"


def test_lengths_of_answers_that_are_not_there_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text('{"prompt": "p"}\n')
    closed = {"kind": "closed", "concurrency": 1}
    with pytest.raises(
        ConfigError, match=r"workloads\.mine\.prompts\.path: .*none of its first 1 prompts has an answer"
    ):
        study_of(tmp_path, {"source": "jsonl", "path": str(path), "output_tokens": {"kind": "trace"}}, closed)
    with pytest.raises(ConfigError, match=r"prompts\.prompt_tokens: kind 'trace' takes .*not 'random'"):
        study_of(tmp_path, {"prompt_tokens": {"kind": "trace"}, "output_tokens": 4}, closed)
    with pytest.raises(ConfigError, match=r"output_tokens: kind 'trace' takes .*not 'random'"):
        study_of(tmp_path, {"prompt_tokens": 8, "output_tokens": {"kind": "trace"}}, closed)


HUB = {"models": {"m": {"source": "hub", "location": "org/model"}}}


@pytest.mark.parametrize(
    ("prompts", "endpoint"),
    [
        ({"prompt_tokens": 8, "output_tokens": 4}, "chat"),
        ({"source": "jsonl", "prompt_tokens": 8, "output_tokens": 4}, "completions"),
        ({"source": "jsonl", "output_tokens": {"kind": "trace"}}, "completions"),
    ],
)
def test_texts_of_a_number_of_tokens_need_a_tokenizer_that_is_here(
    prompts: dict[str, Any], endpoint: str, tmp_path: Path
) -> None:
    """The load generator said so, after the servers had started; with an endpoint that only chats it always did."""
    with pytest.raises(ConfigError, match=r"models\.m\.source: 'hub': workloads\.mine asks for texts .*source path"):
        chatting(tmp_path, prompts, endpoint)


def test_prompts_of_a_data_set_as_they_are_need_none(tmp_path: Path) -> None:
    study = chatting(tmp_path, {"source": "jsonl", "output_tokens": 4}, "chat")
    assert study.workloads["mine"].endpoint == "chat"


def chatting(tmp_path: Path, prompts: dict[str, Any], endpoint: str) -> Study:
    """Return a study of a hub's model."""
    path = tmp_path / "set.jsonl"
    path.write_text('{"prompt": "p", "answer": "a"}\n')
    prompts = prompts | ({"path": str(path)} if "source" in prompts else {})
    workload = {"prompts": prompts, "arrival": {"kind": "closed", "concurrency": 1}, "num_requests": 3}
    given = {"architectures": ["single"], "workloads": {"mine": workload | {"endpoint": endpoint}}, **HUB}
    return make_study(complete_config(given), lambda python: {"vllm": "0.32.0"})


def test_two_names_of_one_deployment_are_refused(tmp_path: Path) -> None:
    prompts, closed = {"prompt_tokens": 8, "output_tokens": 4}, {"kind": "closed", "concurrency": 1}
    with pytest.raises(ConfigError, match=r"'replicated' and 'replicated-2' are two names of one deployment"):
        study_of(tmp_path, prompts, closed, architectures=["single", "replicated", "replicated-2"])
    with pytest.raises(ConfigError, match=r"'disaggregated' and 'disaggregated-1p1d' are two names"):
        study_of(tmp_path, prompts, closed, architectures=["disaggregated", "disaggregated-1p1d"])


@pytest.mark.parametrize("speedup", [1e-320, 1e320, 0])
def test_a_speedup_that_nobody_could_divide_by_is_refused(tmp_path: Path, speedup: float) -> None:
    """1e-320 passed the schema, and failed after the servers had started."""
    with pytest.raises(ConfigError, match=r"arrival\.speedup"):
        study_of(tmp_path, {"prompt_tokens": 8, "output_tokens": 4}, trace(tmp_path) | {"speedup": speedup})


def completed(**given: Any) -> dict[str, Any]:
    prompts = {"prompt_tokens": 8, "output_tokens": 4}
    workload = {"prompts": prompts, "arrival": {"kind": "closed", "concurrency": 1}, "num_requests": 1}
    return complete_config({"workloads": {"mine": workload}, **given})


def test_null_on_the_command_line_is_null() -> None:
    """`--config baseline=null` was taken for an architecture of that name."""
    assert completed(baseline="null")["baseline"] is None


@pytest.mark.parametrize("launches", ["010", "1:30", "0_7"])
def test_numbers_that_yaml_reads_otherwise_are_refused(launches: str, tmp_path: Path) -> None:
    """YAML 1.1 takes 010 for 8 and 1:30 for 90: three launches more, or eighty-seven, without a word."""
    with pytest.raises(ConfigError, match="launches"):
        completed(launches=launches)
    path = tmp_path / "study.yaml"
    path.write_text(f"seed: 1\nlaunches: {launches}\n")
    with pytest.raises(ConfigError, match=rf"study\.yaml:2:11: {launches} is read as another number"):
        read_config_file(path)


def test_zero_and_quoted_numbers_stay(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text('seed: 0\nremeasure: "010"\ngates: {min_window_s: 0.5}\n')
    assert read_config_file(path) == {"seed": 0, "remeasure": "010", "gates": {"min_window_s": 0.5}}
