"""Prompt files: read whole, or an error; nothing ever takes their place."""

import json
from pathlib import Path

import pytest

from llmdvfs.errors import ConfigError, DataError
from llmdvfs.inputs.datasets import DataPrompt, check_dataset_head, read_dataset

SHARED = Path(__file__).parents[4] / "shared" / "data"


def test_bbh_reads_all_tasks_of_a_folder(tmp_path: Path) -> None:
    for task in ("b", "a"):
        (tmp_path / f"{task}.json").write_text(json.dumps({"examples": [{"input": f"{task}?", "target": "yes"}]}))
    assert read_dataset("bbh", tmp_path) == [DataPrompt("a?", "yes"), DataPrompt("b?", "yes")]


def test_sharegpt_takes_first_turns_of_humans(tmp_path: Path) -> None:
    path = tmp_path / "sharegpt.json"
    turns = [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}, {"from": "human", "value": "more"}]
    path.write_text(json.dumps([{"conversations": turns}, {"conversations": turns[1:]}, {"conversations": turns[:1]}]))
    assert read_dataset("sharegpt", path) == [DataPrompt("hi", "hello")]


def test_jsonl_with_and_without_answers(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "a\u2028b", "completion": "x"}\n\n{"prompt": "c"}\n', encoding="utf-8")
    assert read_dataset("jsonl", path) == [DataPrompt("a\u2028b", "x"), DataPrompt("c", None)]


def test_chinese_set_is_fixed_and_chinese() -> None:
    prompts = read_dataset("chinese", None)
    assert len({prompt.text for prompt in prompts}) == 16
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in prompt.text) for prompt in prompts)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("bbh", '{"examples": ['),
        ("bbh", '{"examples": []}'),
        ("bbh", '{"examples": [{"input": 3, "target": "x"}]}'),
        ("sharegpt", '[{"id": 1}]'),
        ("sharegpt", "[]"),
        ("jsonl", '{"prompt": "a"}\n{"text": "b"}\n'),
        ("jsonl", '{"prompt": "a"'),
    ],
)
def test_damaged_file_is_an_error(tmp_path: Path, source: str, text: str) -> None:
    path = tmp_path / "data"
    path.write_text(text)
    with pytest.raises(DataError, match=str(path)):
        read_dataset(source, path)


def test_missing_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no-such"):
        read_dataset("sharegpt", tmp_path / "no-such.json")
    with pytest.raises(DataError, match="no task file"):
        read_dataset("bbh", tmp_path)
    with pytest.raises(ConfigError, match="path"):
        read_dataset("jsonl", None)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not here")
def test_the_real_bbh_tasks_read_whole() -> None:
    prompts = read_dataset("bbh", SHARED / "bbh")
    assert len(prompts) == 750
    assert prompts[0] == DataPrompt("not ( True ) and ( True ) is", "False")


def sharegpt(tmp_path: Path, text: str) -> list[DataPrompt]:
    path = tmp_path / "sharegpt.json"
    path.write_text(text, encoding="utf-8")
    return read_dataset("sharegpt", path)


def test_sharegpt_passes_over_system_turns_and_reads_roles(tmp_path: Path) -> None:
    """The first question was lost with every conversation that a system turn opens."""
    turns = [
        {"from": "system", "value": "be brief"},
        {"from": "human", "value": "hi"},
        {"from": "gpt", "value": "hello"},
    ]
    roles = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    text = json.dumps([{"conversations": turns}, {"messages": roles}])
    assert sharegpt(tmp_path, text) == [DataPrompt("hi", "hello"), DataPrompt("a", "b")]


def test_sharegpt_as_json_lines_with_nulls_and_a_byte_order_mark(tmp_path: Path) -> None:
    good = {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}
    withdrawn = {"conversations": [{"from": "human", "value": None}, {"from": "gpt", "value": "hello"}]}
    text = "\ufeff" + "\n".join(json.dumps(entry) for entry in (withdrawn, good, None, good))
    assert sharegpt(tmp_path, text) == [DataPrompt("hi", "hello")] * 2


def test_the_head_of_a_large_file_is_judged_by_its_whole_records(tmp_path: Path) -> None:
    entry = {"conversations": [{"from": "human", "value": "x" * 1000}, {"from": "gpt", "value": "y"}]}
    path = tmp_path / "large.json"
    path.write_text(json.dumps([entry] * 6000))  # 6 MB, of which 4 MiB are looked at
    check_dataset_head("sharegpt", path, needs_answers=True)
    with pytest.raises(DataError, match="expected a jsonl file"):
        check_dataset_head("jsonl", path.with_name("lines.jsonl"), needs_answers=False)
    path.write_text(json.dumps([{"text": "x" * 1000}] * 6000))
    with pytest.raises(DataError, match="conversations"):
        check_dataset_head("sharegpt", path, needs_answers=True)


def test_custom_sets_of_vllm_bench_tell_lengths_of_answers(tmp_path: Path) -> None:
    path = tmp_path / "custom.jsonl"
    path.write_text('{"prompt": "a", "output_tokens": 12}\n')
    assert read_dataset("jsonl", path) == [DataPrompt("a", None, 12)]
    path.write_text('{"prompt": "a", "output_tokens": -1}\n')
    with pytest.raises(DataError, match="output_tokens -1"):
        read_dataset("jsonl", path)
