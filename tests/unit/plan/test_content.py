"""Fingerprints of inputs, and what is said of recorded lengths."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.workloads import fixed, workload
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from llmdvfs.errors import ConfigError, DataError
from llmdvfs.plan import long_prompts
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.content import content_fingerprint, study_files
from llmdvfs.plan.long_requests import long_requests
from llmdvfs.plan.study import Study, make_study
from llmdvfs.records.spec import ArrivalSpec, ModelSpec, PromptSpec


def test_a_copy_is_the_same_and_an_edit_is_not(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text("one")
    copy.write_text("one")
    os.utime(copy, ns=(1, 1))
    first = content_fingerprint(path)
    assert first == content_fingerprint(copy) == hashlib.sha256(b"one").hexdigest()
    path.write_text("two!")
    assert content_fingerprint(path) == hashlib.sha256(b"two!").hexdigest()


def test_an_unchanged_file_is_read_once(tmp_path: Path) -> None:
    """The stamp decides: same size and time are the same content to this process."""
    path = tmp_path / "a.csv"
    path.write_text("one")
    stamp = path.stat()
    first = content_fingerprint(path)
    path.write_text("two")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert content_fingerprint(path) == first


def test_a_folder_of_tasks_is_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    first = content_fingerprint(tmp_path)
    (tmp_path / "notes.txt").write_text("not read by anybody")
    assert content_fingerprint(tmp_path) == first
    (tmp_path / "a.json").rename(tmp_path / "b.json")
    assert content_fingerprint(tmp_path) != first


def test_files_of_a_workload() -> None:
    trace = ArrivalSpec("trace", trace_path="t.csv", trace_format="azure")
    assert study_files(workload()) == []
    prompts = PromptSpec("jsonl", None, fixed(3), path="p.jsonl")
    assert study_files(workload(trace, prompts=prompts)) == [Path("t.csv"), Path("p.jsonl")]
    (chinese,) = study_files(workload(prompts=PromptSpec("chinese", None, fixed(3))))
    assert chinese.name == "chinese_prompts.json"


def traced(tmp_path: Path, **more: object) -> Study:
    """Return a study of a trace with requests of 90 + 10, 100 + 1 and 5000 + 20 tokens."""
    path = tmp_path / "trace.csv"
    rows = ("0,90,10", "1,100,1", "2,5000,20")
    path.write_text("Timestamp,Request tokens,Response tokens\n" + "".join(f"{row}\n" for row in rows))
    arrival = {"kind": "trace", "trace_path": str(path), "trace_format": "burstgpt"}
    prompts = {"prompt_tokens": {"kind": "trace"}, "output_tokens": {"kind": "trace"}, **more}
    engine = {"max_model_len": 100}
    given = {
        "architectures": ["single"],
        "serving": {"engine": engine},
        "workloads": {"mine": {"prompts": prompts, "arrival": arrival}},
    }
    return make_study(complete_config(given), lambda python: {"vllm": "0.32.0"})


def test_requests_beyond_the_context_are_counted_and_said(tmp_path: Path) -> None:
    (said,) = long_requests(traced(tmp_path))
    assert said.startswith("workloads.mine: 2 of 3 recorded requests take up to 5020 tokens of prompt and output, more")


def test_requests_beyond_the_context_are_refused_where_that_is_asked_for(tmp_path: Path) -> None:
    strict = replace(traced(tmp_path), refuse_long_requests=True)
    with pytest.raises(ConfigError, match=r"2 of 3 recorded requests .* refuse_long_requests is true; set `high`"):
        list(long_requests(strict))


def test_clipped_lengths_fit(tmp_path: Path) -> None:
    prompts = {
        "prompt_tokens": {"kind": "trace", "high": 80},
        "output_tokens": {"kind": "trace", "high": 20},
    }
    assert list(long_requests(traced(tmp_path, **prompts))) == []


def test_an_empty_window_is_found_before_anything_starts(tmp_path: Path) -> None:
    study = traced(tmp_path)
    (tmp_path / "trace.csv").write_text("Timestamp,Request tokens,Response tokens\n1,1,0\n")
    with pytest.raises(DataError, match="no answered request"):
        list(long_requests(study))


def of_a_set(tmp_path: Path, *records: dict[str, object], **prompts: object) -> Study:
    """Return a study of a set of prompts and a model whose every letter is a token, with a begin token before each."""
    path = tmp_path / "set.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    given = {
        "architectures": ["single"],
        "models": {"m": {"source": "path", "location": str(letters(tmp_path / "model"))}},
        "serving": {"engine": {"max_model_len": 100}},
        "workloads": {
            "mine": {
                "prompts": {"source": "jsonl", "path": str(path), "output_tokens": 10, **prompts},
                "arrival": {"kind": "closed", "concurrency": 1},
                "num_requests": 1,
            }
        },
    }
    return make_study(complete_config(given), lambda python: {"vllm": "0.32.0"})


def letters(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    tokenizer = Tokenizer(models.WordLevel({"<s>": 0, "a": 1}, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"num_attention_heads": 8, "max_position_embeddings": 8192}')
    return folder


def test_prompts_of_a_data_set_are_counted_with_the_models_own_tokenizer(tmp_path: Path) -> None:
    """Only traces were counted: the server refused every long prompt of a data set, under load.

    89 letters, a begin token and 10 of output fit into 100; 90 letters do not.
    """
    study = of_a_set(tmp_path, *({"prompt": "a" * length} for length in (5, 89, 90, 150)))
    (said,) = long_requests(study)
    path = tmp_path / "set.jsonl"
    assert said.startswith(
        f"workloads.mine: 2 of 4 prompts of {path} take up to 161 tokens of m with their output, more than "
        "max_model_len 100: "
    )
    with pytest.raises(ConfigError, match=r"2 of 4 prompts .* refuse_long_requests is true; set `high`"):
        list(long_requests(replace(study, refuse_long_requests=True)))


def test_an_edited_set_is_counted_anew(tmp_path: Path) -> None:
    assert len(list(long_requests(of_a_set(tmp_path, {"prompt": "a" * 150})))) == 1
    assert list(long_requests(of_a_set(tmp_path, {"prompt": "a"}))) == []


def test_answers_of_a_data_set_count_where_outputs_have_their_lengths(tmp_path: Path) -> None:
    """1 + 50 + 60 and 1 + 20 + 90 tokens are more than 100; a prompt without an answer is not asked."""
    records = [
        {"prompt": "a" * 50, "answer": "a" * 60},
        {"prompt": "a" * 20, "output_tokens": 90},
        {"prompt": "a" * 500},
        {"prompt": "a" * 50, "answer": "a" * 49},
    ]
    (said,) = long_requests(of_a_set(tmp_path, *records, output_tokens={"kind": "trace"}))
    assert "2 of 3 prompts" in said
    assert "up to 111 tokens" in said
    clipped = {"output_tokens": {"kind": "trace", "high": 30}}
    assert list(long_requests(of_a_set(tmp_path, *records, **clipped))) == []


def test_prompts_that_are_clipped_fit(tmp_path: Path) -> None:
    clipped = {"prompt_tokens": {"kind": "trace", "high": 90}}
    assert list(long_requests(of_a_set(tmp_path, {"prompt": "a" * 150}, **clipped))) == []


def test_what_is_turned_into_tokens_is_bounded_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_prompts, "MAX_TOKENIZED_BYTES", 400)
    (said,) = long_requests(of_a_set(tmp_path, *({"prompt": "a" * 150} for _ in range(5))))
    assert "2 of the first 2 prompts" in said


def test_a_generated_models_own_tokenizer_counts_too(tmp_path: Path) -> None:
    """A shape's knows no language: a text takes more tokens than with the published one."""
    study = of_a_set(tmp_path, {"prompt": "measure " * 40})
    (deployment,) = study.deployments.values()
    shape = replace(deployment, model=ModelSpec("s", "shape", "qwen3-0.6b"))
    (said,) = long_requests(replace(study, deployments={"s": shape}))
    assert "1 of 1 prompts" in said


def test_without_a_tokenizer_here_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    study = of_a_set(tmp_path, {"prompt": "a" * 150})
    (deployment,) = study.deployments.values()
    hub = replace(deployment, model=ModelSpec("h", "hub", "nobody/never-downloaded"))
    assert list(long_requests(replace(study, deployments={"h": hub}))) == []
