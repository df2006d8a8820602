"""Prompt files: read whole, or an error; nothing ever takes their place."""

import json
from pathlib import Path

import pytest

from llmdvfs.errors import ConfigError, DataError
from llmdvfs.load.schedule.datasets import DataPrompt, read_dataset

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
