"""Makes prompts by request index: equal seed and index give the same prompt, in any order and any process."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from random import Random
from typing import Protocol

from llmdvfs.errors import ConfigError
from llmdvfs.inputs.datasets import DataPrompt, read_dataset
from llmdvfs.inputs.traces.row import TraceRow
from llmdvfs.load.schedule.lengths import draw_length
from llmdvfs.load.schedule.tokens import ModelTokenizer
from llmdvfs.load.schedule.vocabulary import ordinary_token_ids
from llmdvfs.records.spec import PromptSpec

UNIQUE_TOKENS = 4  # leading tokens that spell the request's index: unique up to (size of the vocabulary) ** 4
MAX_TEXT_IDS = 4096  # different tokens in chat prompts; to try all of a large vocabulary would take a second
FILL_FACTOR = 2  # texts shrink when their ids are decoded and encoded again; so many ids are kept in reserve


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt: token ids, or a text where the endpoint takes no ids."""

    ids: Sequence[int] | None = None
    text: str | None = None
    num_answer_tokens: int | None = None
    """Length of the answer that the data set has for it; None: none is known."""


class PromptSource(Protocol):
    """Makes the prompt of a request."""

    def prompt(self, index: int, row: TraceRow | None) -> Prompt:
        """Return the prompt of the request with this index; row: the trace's record, None where there is no trace."""
        ...


def prompt_source(spec: PromptSpec, *, as_text: bool, tokenizer_folder: Path | None, seed: int) -> PromptSource:
    """Return the source of prompts that a PromptSpec names.

    as_text: make texts in place of token ids.
    """
    if spec.source in ("random", "shared_prefix"):
        return SyntheticPrompts(spec, as_text=as_text, tokenizer_folder=tokenizer_folder, seed=seed)
    return DatasetPrompts(spec, as_text=as_text, tokenizer_folder=tokenizer_folder, seed=seed)


class SyntheticPrompts:
    """Makes prompts of random token ids: unique, with shared prefixes, or made of a trace's blocks."""

    def __init__(self, spec: PromptSpec, *, as_text: bool, tokenizer_folder: Path | None, seed: int) -> None:
        if spec.prompt_tokens is None:
            raise ConfigError(f"prompt source {spec.source!r} needs prompt_tokens: it has no lengths of its own")
        self._lengths = spec.prompt_tokens
        self._seed = seed
        self._ids = ordinary_token_ids(tokenizer_folder)
        self._tokenizer = ModelTokenizer(tokenizer_folder, "a chat prompt of exact length") if as_text else None
        if self._tokenizer is not None:
            sample = Random(f"texts/{seed}").sample(self._ids, min(len(self._ids), MAX_TEXT_IDS))
            self._ids = self._tokenizer.lasting_ids(sample)
        self._first_number = Random(f"first/{seed}").randrange(len(self._ids) ** UNIQUE_TOKENS)
        self._block = lru_cache(maxsize=2048)(self._make_block)
        self._num_prefixes, self._prefix_tokens = 0, 0
        if spec.source == "shared_prefix":
            if not spec.num_prefixes or not spec.prefix_tokens:
                raise ConfigError(
                    "prompt source 'shared_prefix' needs num_prefixes and prefix_tokens of at least 1; "
                    f"seen {spec.num_prefixes} and {spec.prefix_tokens}"
                )
            self._num_prefixes, self._prefix_tokens = spec.num_prefixes, spec.prefix_tokens

    def prompt(self, index: int, row: TraceRow | None) -> Prompt:
        """Return the prompt of the request with this index; a trace's hash ids decide its blocks."""
        rng = Random(f"prompt/{self._seed}/{index}")
        length = draw_length(self._lengths, rng, row.num_prompt_tokens if row else None)
        if self._tokenizer is not None:
            ids = self._make_ids(index, length * FILL_FACTOR, rng, row)
            return Prompt(text=self._tokenizer.text_of(ids, length))
        return Prompt(ids=self._make_ids(index, length, rng, row))

    def _make_ids(self, index: int, length: int, rng: Random, row: TraceRow | None) -> list[int]:
        ids: list[int] = []
        if row is not None and row.hash_ids:
            for hash_id in row.hash_ids[: -(-length // row.block_tokens)]:
                ids += self._block(f"block/{hash_id}", row.block_tokens)
        elif self._num_prefixes:
            if length <= self._prefix_tokens:
                raise ConfigError(
                    f"a prompt of {length} tokens has no room after its shared prefix of {self._prefix_tokens}; "
                    "make prompt_tokens longer or prefix_tokens shorter"
                )
            ids += self._block(f"prefix/{rng.randrange(self._num_prefixes)}", self._prefix_tokens)
        if len(ids) >= length:
            return ids[:length]
        ids += self._unique_ids(index)[: length - len(ids)]
        return ids + rng.choices(self._ids, k=length - len(ids))

    def _unique_ids(self, index: int) -> list[int]:
        """Return the index, in a number system whose digits are the vocabulary, the fastest digit first."""
        base = len(self._ids)
        number = (self._first_number + index) % base**UNIQUE_TOKENS
        return [self._ids[number // base**place % base] for place in range(UNIQUE_TOKENS)]

    def _make_block(self, name: str, length: int) -> list[int]:
        return Random(f"{name}/{self._seed}").choices(self._ids, k=length)


class DatasetPrompts:
    """Draws prompts of a data set without replacement, in a seeded order.

    From the second pass on each one starts with the number of its pass, so that no two prompts of a run are equal.
    """

    def __init__(self, spec: PromptSpec, *, as_text: bool, tokenizer_folder: Path | None, seed: int) -> None:
        self._prompts = read_dataset(spec.source, Path(spec.path) if spec.path else None)
        self._needs_answers = spec.output_tokens.kind == "trace"
        if self._needs_answers:  # a prompt without an answer says no length; with a trace none may have one
            answered = [prompt for prompt in self._prompts if prompt.has_answer_length]
            self._prompts = answered or self._prompts
        Random(f"dataset/{seed}").shuffle(self._prompts)
        self._lengths = spec.prompt_tokens
        self._seed = seed
        self._as_text = as_text
        counts = self._lengths is not None or self._needs_answers
        self._tokenizer = (
            ModelTokenizer(tokenizer_folder, f"prompt source {spec.source!r} with token counts")
            if counts or (tokenizer_folder is not None and not as_text)
            else None
        )

    def prompt(self, index: int, row: TraceRow | None) -> Prompt:
        """Return the prompt of the request with this index, cut or filled with the following prompts to the length."""
        text = self._text(index)
        if self._tokenizer is None:
            return Prompt(text=text)
        num_answer_tokens = self._answer_tokens(self._prompts[index % len(self._prompts)])
        length = self._length(index, row, text, self._tokenizer)
        if length is None:
            if self._as_text:
                return Prompt(text=text, num_answer_tokens=num_answer_tokens)
            return Prompt(ids=self._tokenizer.prompt_ids(text), num_answer_tokens=num_answer_tokens)
        reserve = length * FILL_FACTOR if self._as_text else length
        ids = self._ids_of_at_least(reserve, index, self._tokenizer)
        if self._as_text:
            return Prompt(text=self._tokenizer.text_of(ids, length), num_answer_tokens=num_answer_tokens)
        return Prompt(ids=ids[:length], num_answer_tokens=num_answer_tokens)

    def _length(self, index: int, row: TraceRow | None, text: str, tokenizer: ModelTokenizer) -> int | None:
        """Return the length that the text is cut or filled to; None: it stays as it is."""
        if self._lengths is None:
            return None
        rng = Random(f"prompt/{self._seed}/{index}")
        if row is not None or self._lengths.kind != "trace":
            return draw_length(self._lengths, rng, row.num_prompt_tokens if row else None)
        own = tokenizer.count(text) if self._as_text else len(tokenizer.prompt_ids(text))
        length = draw_length(self._lengths, rng, own)
        return None if length == own else length

    def _ids_of_at_least(self, num_tokens: int, index: int, tokenizer: ModelTokenizer) -> list[int]:
        """Return the ids of this text and of as few of the following ones as make up so many tokens.

        Every number of texts is encoded anew, since ids may merge where two texts meet; so numbers are tried by
        doubling and bisection. One by one, a prompt of 8000 tokens out of texts of one token took 13 s.
        """

        @cache
        def ids_of(num_texts: int) -> list[int]:
            return tokenizer.prompt_ids("\n".join(self._text(index + number) for number in range(num_texts)))

        enough = 1
        while len(ids_of(enough)) < num_tokens:
            enough *= 2
        fewest = enough // 2 + 1
        return ids_of(bisect_left(range(enough), num_tokens, fewest, key=lambda number: len(ids_of(number))))

    def _answer_tokens(self, prompt: DataPrompt) -> int | None:
        if not self._needs_answers or self._tokenizer is None:
            return None
        if prompt.num_answer_tokens is None and prompt.answer:
            return self._tokenizer.count(prompt.answer)
        return prompt.num_answer_tokens

    def _text(self, index: int) -> str:
        number_of_pass, position = divmod(index, len(self._prompts))
        text = self._prompts[position].text
        return text if number_of_pass == 0 else f"[{number_of_pass + 1}] {text}"
