"""Prompts from files: BIG-Bench Hard tasks, ShareGPT, JSON lines, and a fixed Chinese set."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmdvfs.errors import ConfigError, DataError

CHINESE_PROMPTS = Path(__file__).with_name("chinese_prompts.json")


@dataclass(frozen=True, slots=True)
class DataPrompt:
    """One prompt of a data set, with its reference answer where the set has one."""

    text: str
    answer: str | None = None


def read_dataset(source: str, path: Path | None) -> list[DataPrompt]:
    """Return all prompts of a set in the order of its files; DataError names the missing or damaged file."""
    if source == "chinese":
        return _read(CHINESE_PROMPTS, _strings)
    if path is None:
        raise ConfigError(f"prompt source {source!r} needs a path to its data")
    if source == "bbh" and path.is_dir():
        tasks = sorted(path.glob("*.json"))
        if not tasks:
            raise DataError(f"{path}: no task file (*.json) of BIG-Bench Hard in this folder")
        return [prompt for task in tasks for prompt in _read(task, _bbh)]
    return _read(path, _PARSERS[source])


def _read(path: Path, parse: Callable[[str], list[DataPrompt]]) -> list[DataPrompt]:
    try:
        prompts = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: missing or damaged ({type(error).__name__}: {error}); get the file again, nothing replaces it"
        ) from error
    if not prompts:
        raise DataError(f"{path}: holds no prompt; get the file again, nothing replaces it")
    return prompts


def _bbh(text: str) -> list[DataPrompt]:
    return [DataPrompt(_text(example["input"]), _text(example["target"])) for example in json.loads(text)["examples"]]


def _sharegpt(text: str) -> list[DataPrompt]:
    """First turn of each conversation that a human opens and a model answers."""
    prompts = []
    for entry in json.loads(text):
        turns = entry.get("conversations", entry.get("conversation"))
        if turns is None:
            raise KeyError("conversations")
        if len(turns) >= 2 and turns[0]["from"] in ("human", "user"):
            prompts.append(DataPrompt(_text(turns[0]["value"]), _text(turns[1]["value"])))
    return [prompt for prompt in prompts if prompt.text and prompt.answer]


def _jsonl(text: str) -> list[DataPrompt]:
    prompts = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record: dict[str, Any] = json.loads(line)
            answer = record.get("completion", record.get("answer"))
            prompts.append(DataPrompt(_text(record["prompt"]), None if answer is None else _text(answer)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"line {number} is not an object with a 'prompt': {error!r}") from error
    return prompts


def _strings(text: str) -> list[DataPrompt]:
    return [DataPrompt(_text(prompt)) for prompt in json.loads(text)]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, seen {value!r:.60}")
    return value


_PARSERS: dict[str, Callable[[str], list[DataPrompt]]] = {"bbh": _bbh, "sharegpt": _sharegpt, "jsonl": _jsonl}
