"""Fingerprints of inputs, and what is said of recorded lengths."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.workloads import fixed, workload

from llmdvfs.errors import ConfigError, DataError
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.content import content_fingerprint, study_files
from llmdvfs.plan.long_requests import long_requests
from llmdvfs.plan.study import Study, make_study
from llmdvfs.records.spec import ArrivalSpec, PromptSpec


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
