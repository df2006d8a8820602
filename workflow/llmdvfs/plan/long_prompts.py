"""Counts the prompts of a data set that are longer than what an engine takes, where the tokenizer is here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from llmdvfs.inputs.datasets import DataPrompt, read_first_prompts
from llmdvfs.models.local_tokenizer import local_tokenizer
from llmdvfs.plan.content import content_fingerprint
from llmdvfs.records.spec import LengthSpec, ModelSpec, PromptSpec, WorkloadSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_READ_BYTES = 64 << 20  # of each file: JSON is read at some 60 MB a second
MAX_TOKENIZED_BYTES = 8 << 20  # and turned into tokens at 2 to 4 MB a second
MAX_CONTROL_TOKENS = 16  # what a tokenizer may put before and behind a text


@dataclass(frozen=True, slots=True)
class LongPrompts:
    """How many prompts of a data set are too long."""

    num_long: int
    num_seen: int
    are_all_seen: bool
    longest: int
    """Most tokens of prompt and output; 0 where none is too long."""


NONE_SEEN = LongPrompts(0, 0, are_all_seen=True, longest=0)


def long_prompts(workload: WorkloadSpec, model: ModelSpec, max_model_len: int) -> LongPrompts:
    """Return how many prompts of a workload take more tokens than max_model_len, with the least output that is sure.

    Nothing is seen where the lengths are the workload's own or a trace's, or where the tokenizer is not here. With the
    chat endpoint the tokens of the model's template come on top.
    """
    prompts, has_trace = workload.prompts, workload.arrival.trace_path is not None
    asks_for_own = prompts.prompt_tokens is None or (prompts.prompt_tokens.kind == "trace" and not has_trace)
    if prompts.path is None or not asks_for_own:
        return NONE_SEEN
    of_answers = prompts.output_tokens.kind == "trace" and not has_trace
    content = content_fingerprint(Path(prompts.path))
    return _counted(prompts, content, model, max_model_len, of_answers, workload.endpoint == "completions")


def least_length(spec: LengthSpec, recorded: int | None) -> int:
    """Return the length as it will be asked for; where it is drawn or not recorded, the least one that is sure."""
    if spec.kind != "trace" or recorded is None:
        return spec.value or spec.low or 1
    return min(max(recorded, spec.low or 1), spec.high or recorded)


@lru_cache(maxsize=64)
def _counted(
    spec: PromptSpec, content: str, model: ModelSpec, limit: int, of_answers: bool, with_control_tokens: bool
) -> LongPrompts:
    """Count once for all deployments and workloads with one data set; `content` is there to tell it from an edited one.

    of_answers: whether outputs have the lengths of the set's own answers.
    """
    tokenizer = local_tokenizer(model)
    if tokenizer is None:
        return NONE_SEEN
    prompts, are_all = read_first_prompts(spec.source, Path(spec.path or ""), MAX_READ_BYTES)
    if of_answers:
        prompts = [prompt for prompt in prompts if prompt.has_answer_length]
    long: list[int] = []
    num_seen, bytes_left = 0, MAX_TOKENIZED_BYTES
    for prompt in prompts:
        if _may_be_longer(prompt, spec, of_answers, limit):
            bytes_left -= len(prompt.text.encode()) + len((prompt.answer or "").encode()) * of_answers
            if bytes_left < 0:
                return LongPrompts(len(long), num_seen, are_all_seen=False, longest=max(long, default=0))
            length = _tokens(prompt, spec, of_answers, _counter(tokenizer, with_control_tokens))
            long += [length] * (length > limit)
        num_seen += 1
    return LongPrompts(len(long), num_seen, are_all, max(long, default=0))


def _counter(tokenizer: "Tokenizer", with_control_tokens: bool) -> Callable[[str, bool], int]:
    """Return what counts the tokens of a text: of a prompt (True) with the control tokens that a server adds."""
    return lambda text, is_prompt: len(tokenizer.encode(text, add_special_tokens=is_prompt and with_control_tokens).ids)


def _may_be_longer(prompt: DataPrompt, spec: PromptSpec, of_answers: bool, limit: int) -> bool:
    """Whether a prompt and its output could have more tokens than limit: no token is shorter than a byte."""
    return _tokens(prompt, spec, of_answers, lambda text, _: len(text.encode()) + MAX_CONTROL_TOKENS) > limit


def _tokens(prompt: DataPrompt, spec: PromptSpec, of_answers: bool, count: Callable[[str, bool], int]) -> int:
    """Return the tokens of prompt and output, as they will be asked for at least."""
    answer = prompt.num_answer_tokens
    if of_answers and answer is None and prompt.answer is not None:
        answer = count(prompt.answer, False)
    own = count(prompt.text, True)
    asked = own if spec.prompt_tokens is None else least_length(spec.prompt_tokens, own)
    return asked + least_length(spec.output_tokens, answer if of_answers else None)
