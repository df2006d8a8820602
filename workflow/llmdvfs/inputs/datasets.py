"""Reads prompts from files: BIG-Bench Hard tasks, ShareGPT, JSON lines, and a fixed Chinese set."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmdvfs.errors import ConfigError, DataError

CHINESE_PROMPTS = Path(__file__).with_name("chinese_prompts.json")
HEAD_BYTES = 4 << 20  # what is read of a file when a study is planned
HUMANS = ("human", "user")
SYSTEM = ("system",)


@dataclass(frozen=True, slots=True)
class DataPrompt:
    """One prompt of a data set, with its reference answer where the set has one."""

    text: str
    answer: str | None = None
    num_answer_tokens: int | None = None
    """Length of the answer, where the set gives that in place of the answer (vllm bench's custom sets do)."""

    @property
    def has_answer_length(self) -> bool:
        """Whether it says how long the answer is, which `output_tokens: {kind: trace}` asks for."""
        return self.num_answer_tokens is not None or bool(self.answer)


def read_dataset(source: str, path: Path | None) -> list[DataPrompt]:
    """Return all prompts of a data set, in the order of its files; DataError names the missing or damaged file."""
    return [prompt for file in dataset_files(source, path) for prompt in _read(file, source)[0]]


def read_first_prompts(source: str, path: Path | None, max_bytes: int) -> tuple[list[DataPrompt], bool]:
    """Return the prompts in the first max_bytes of each file of a data set, and whether these are all of them."""
    parts = [_read(file, source, max_bytes) for file in dataset_files(source, path)]
    return [prompt for prompts, _ in parts for prompt in prompts], all(is_whole for _, is_whole in parts)


def check_dataset_head(source: str, path: Path | None, *, needs_answers: bool) -> None:
    """Raise DataError where the first prompts of a data set cannot be read in the format it should have.

    needs_answers: also where none of its first prompts has an answer, whose length the study asks for.
    """
    first = dataset_files(source, path)[0]
    prompts, _ = _read(first, source, HEAD_BYTES)
    if needs_answers and not any(prompt.has_answer_length for prompt in prompts):
        raise DataError(
            f"{first}: none of its first {len(prompts)} prompts has an answer, whose length output_tokens "
            "{kind: trace} takes; give a length, or a data set with answers"
        )


def dataset_files(source: str, path: Path | None) -> list[Path]:
    """Return the files of a data set in the order of reading: one, or a BIG-Bench Hard folder's task files."""
    if source == "chinese":
        return [CHINESE_PROMPTS]
    if path is None:
        raise ConfigError(f"prompt source {source!r} needs a path to its data")
    if source == "bbh" and path.is_dir():
        tasks = sorted(path.glob("*.json"))
        if not tasks:
            raise DataError(f"{path}: no task file (*.json) of BIG-Bench Hard in this folder")
        return tasks
    return [path]


def _read(path: Path, source: str, max_bytes: int | None = None) -> tuple[list[DataPrompt], bool]:
    """Return the prompts in the first bytes of a file (None: all), and whether that was all of it."""
    try:
        text, is_whole = _text_of(path, max_bytes)
        prompts = list(_PARSERS[source](text, is_whole))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path}: missing or damaged ({type(error).__name__}: {error}); expected a {source} file: get it again or "
            "correct prompts.source, nothing replaces it"
        ) from error
    if not prompts and is_whole:
        raise DataError(f"{path}: holds no prompt; get the file again, nothing replaces it")
    return prompts, is_whole


def _text_of(path: Path, max_bytes: int | None) -> tuple[str, bool]:
    """Return the text without its byte order mark, and whether it is all of the file."""
    with path.open("rb") as file:
        content = file.read(max_bytes)
    is_whole = max_bytes is None or len(content) < max_bytes
    return content.decode("utf-8-sig", errors="strict" if is_whole else "ignore"), is_whole


def _bbh(text: str, is_whole: bool) -> Iterator[DataPrompt]:
    examples = json.loads(text)["examples"] if is_whole else ()  # a task file is small
    return (DataPrompt(_text(example["input"]), _text(example["target"])) for example in examples)


def _sharegpt(text: str, is_whole: bool) -> Iterator[DataPrompt]:
    """Yield the first question of each conversation that a human opens, after system turns, and the model's answer."""
    for entry in _entries(text, is_whole):
        turns = next((entry[name] for name in ("conversations", "conversation", "messages") if name in entry), None)
        if turns is None:
            raise KeyError("conversations")
        opened = [turn for turn in turns if turn and _who(turn) not in SYSTEM]
        if len(opened) >= 2 and _who(opened[0]) in HUMANS and _who(opened[1]) not in HUMANS:
            question, answer = (turn.get("value", turn.get("content")) for turn in opened[:2])
            if question and answer:  # null where the conversation was withdrawn
                yield DataPrompt(_text(question), _text(answer))


def _who(turn: dict[str, Any]) -> str:
    return _text(turn["from"] if "from" in turn else turn["role"])


def _entries(text: str, is_whole: bool) -> Iterator[Any]:
    """Yield the objects of a JSON array, of JSON lines, or of the begin of either."""
    if is_whole and text.lstrip().startswith("["):
        yield from json.loads(text)
        return
    decoder, at = json.JSONDecoder(), 0
    separators = " \t\r\n,["
    while True:
        while at < len(text) and text[at] in separators:
            at += 1
        if at >= len(text):
            return
        try:
            entry, at = decoder.raw_decode(text, at)
        except ValueError:
            if is_whole or at == 0:
                raise
            return  # cut by the end of the head
        if entry is not None:
            yield entry


def _jsonl(text: str, is_whole: bool) -> Iterator[DataPrompt]:
    lines = text.split("\n")
    for number, line in enumerate(lines if is_whole else lines[:-1], 1):
        if not line.strip():
            continue
        try:
            record: dict[str, Any] = json.loads(line)
            answer = record.get("completion", record.get("answer"))
            length = record.get("output_tokens")
            if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 1):
                raise ValueError(f"output_tokens {length!r}: expected a whole number of 1 or more")
            yield DataPrompt(_text(record["prompt"]), None if answer is None else _text(answer), length)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"line {number} is not an object with a 'prompt': {error!r}") from error


def _strings(text: str, is_whole: bool) -> Iterable[DataPrompt]:
    return (DataPrompt(_text(prompt)) for prompt in json.loads(text))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, seen {value!r:.60}")
    return value


_PARSERS: dict[str, Callable[[str, bool], Iterable[DataPrompt]]] = {
    "bbh": _bbh,
    "sharegpt": _sharegpt,
    "jsonl": _jsonl,
    "chinese": _strings,
}
