"""Prompts: of exact length, unique, the same for the same seed, sharing what they should share."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes.workloads import fixed
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from llmdvfs.errors import ConfigError, DataError
from llmdvfs.inputs.traces.row import TraceRow
from llmdvfs.load.schedule.prompts import Prompt, PromptSource, prompt_source
from llmdvfs.load.schedule.tokens import ModelTokenizer
from llmdvfs.load.schedule.vocabulary import ordinary_token_ids
from llmdvfs.records.spec import LengthSpec, PromptSpec


def source(spec: PromptSpec, *, as_text: bool = False, folder: Path | None = None, seed: int = 5) -> PromptSource:
    return prompt_source(spec, as_text=as_text, tokenizer_folder=folder, seed=seed)


def ids_of(prompts: PromptSource, index: int, row: TraceRow | None = None) -> Sequence[int]:
    ids = prompts.prompt(index, row).ids
    assert ids is not None
    return ids


def random_spec(length: LengthSpec) -> PromptSpec:
    return PromptSpec("random", prompt_tokens=length, output_tokens=fixed(1))


@given(length=st.integers(1, 300), index=st.integers(0, 10**9), seed=st.integers(0, 2**31))
def test_random_prompts_have_exactly_the_length_asked_for(length: int, index: int, seed: int) -> None:
    assert len(ids_of(source(random_spec(fixed(length)), seed=seed), index)) == length


def test_random_prompts_are_unique_even_when_short() -> None:
    """The leading tokens spell the index: two tokens of 468 tell 219,024 requests apart."""
    prompts = source(random_spec(fixed(2)))
    assert len({tuple(ids_of(prompts, index)) for index in range(20_000)}) == 20_000


def test_random_prompts_differ_from_the_first_token_on() -> None:
    """A prefix cache works by blocks from the begin: neighbours must not share even the first token."""
    prompts = source(random_spec(fixed(32)))
    assert ids_of(prompts, 7)[0] != ids_of(prompts, 8)[0]


def test_same_seed_same_prompts_in_any_order() -> None:
    spec = random_spec(LengthSpec("uniform", low=1, high=50))
    forwards, backwards = source(spec), source(spec)
    assert [ids_of(forwards, i) for i in range(20)] == [ids_of(backwards, i) for i in reversed(range(20))][::-1]
    assert ids_of(source(spec, seed=6), 0) != ids_of(forwards, 0)


def test_ids_are_ordinary_tokens_of_the_model(tiny_tokenizer: Path) -> None:
    prompts = source(random_spec(fixed(500)), folder=tiny_tokenizer)
    used = {token for index in range(20) for token in ids_of(prompts, index)}
    size = Tokenizer.from_file(str(tiny_tokenizer / "tokenizer.json")).get_vocab_size()
    assert used == set(range(2, size))  # all but the two control tokens


def test_shared_prefixes() -> None:
    spec = PromptSpec(
        "shared_prefix", prompt_tokens=fixed(40), output_tokens=fixed(1), num_prefixes=3, prefix_tokens=24
    )
    prompts = [tuple(ids_of(source(spec), index)) for index in range(60)]
    assert len({prompt[:24] for prompt in prompts}) == 3
    assert len({prompt[24:] for prompt in prompts}) == 60
    assert {len(prompt) for prompt in prompts} == {40}


def test_shared_prefix_needs_room() -> None:
    spec = PromptSpec(
        "shared_prefix", prompt_tokens=fixed(24), output_tokens=fixed(1), num_prefixes=3, prefix_tokens=24
    )
    with pytest.raises(ConfigError, match="no room"):
        source(spec).prompt(0, None)


def test_trace_blocks_with_equal_ids_are_equal_text() -> None:
    """Two conversations share blocks 0 and 1 (512 tokens each) and part in the third."""
    prompts = source(random_spec(LengthSpec("trace")))
    first = ids_of(prompts, 0, TraceRow(0.0, 1300, 1, (0, 1, 2), 512))
    second = ids_of(prompts, 1, TraceRow(0.0, 1400, 1, (0, 1, 3), 512))
    assert (len(first), len(second)) == (1300, 1400)
    assert first[:1024] == second[:1024]
    assert first[1024:1300] != second[1024:1300]


def test_trace_without_enough_blocks_is_filled_with_unique_tokens() -> None:
    prompts = source(random_spec(LengthSpec("trace")))
    first = ids_of(prompts, 0, TraceRow(0.0, 600, 1, (4,), 512))
    second = ids_of(prompts, 1, TraceRow(0.0, 600, 1, (4,), 512))
    assert len(first) == len(second) == 600
    assert first[:512] == second[:512]
    assert first[512:] != second[512:]


@pytest.mark.parametrize("length", [1, 7, 64, 333])
def test_chat_prompts_are_texts_of_exact_length(tiny_tokenizer: Path, length: int) -> None:
    tokenizer = Tokenizer.from_file(str(tiny_tokenizer / "tokenizer.json"))
    prompts = source(random_spec(fixed(length)), as_text=True, folder=tiny_tokenizer)
    texts = [prompts.prompt(index, None).text or "" for index in range(10)]
    assert [len(tokenizer.encode(text).ids) for text in texts] == [length] * 10
    assert len(set(texts)) == 10


def test_chat_prompts_need_the_tokenizer() -> None:
    with pytest.raises(ConfigError, match="tokenizer folder"):
        source(random_spec(fixed(5)), as_text=True)


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"word{i} is plain", "answer": "a b"}) + "\n" for i in range(5)))
    return str(path)


def test_dataset_comes_in_a_seeded_order_and_repeats_are_told_apart(data: str) -> None:
    spec = PromptSpec("jsonl", prompt_tokens=None, output_tokens=fixed(1), path=data)
    texts = [source(spec).prompt(index, None).text or "" for index in range(10)]
    assert len(set(texts)) == 10
    assert sorted(texts[:5]) == [f"word{i} is plain" for i in range(5)]
    assert texts[5:] == [f"[2] {text}" for text in texts[:5]]
    assert texts != [source(spec, seed=6).prompt(index, None).text for index in range(10)]


def test_dataset_prompts_become_the_models_own_ids(data: str, tiny_tokenizer: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tiny_tokenizer / "tokenizer.json"))
    spec = PromptSpec("jsonl", prompt_tokens=None, output_tokens=LengthSpec("trace"), path=data)
    prompt = source(spec, folder=tiny_tokenizer).prompt(0, None)
    assert tokenizer.decode(prompt.ids).endswith(" is plain")
    assert prompt.num_answer_tokens == len(tokenizer.encode("a b").ids)


@pytest.mark.parametrize("length", [2, 50])
def test_dataset_prompts_are_cut_or_filled_to_a_length(data: str, tiny_tokenizer: Path, length: int) -> None:
    spec = PromptSpec("jsonl", prompt_tokens=fixed(length), output_tokens=fixed(1), path=data)
    assert len(ids_of(source(spec, folder=tiny_tokenizer), 0)) == length
    text = source(spec, folder=tiny_tokenizer, as_text=True).prompt(0, None).text or ""
    assert len(Tokenizer.from_file(str(tiny_tokenizer / "tokenizer.json")).encode(text).ids) == length


@pytest.mark.parametrize("as_text", [False, True])
def test_dataset_prompts_keep_their_lengths_but_for_what_is_clipped(
    data: str, tiny_tokenizer: Path, as_text: bool
) -> None:
    """`{kind: trace}` was refused for a data set: its long prompts could be clipped only by giving all one length."""

    def made(length: LengthSpec | None) -> tuple[Prompt, int]:
        spec = PromptSpec("jsonl", prompt_tokens=length, output_tokens=fixed(1), path=data)
        prompt = source(spec, folder=tiny_tokenizer, as_text=as_text).prompt(0, None)
        return prompt, ModelTokenizer(tiny_tokenizer, "a test").count(prompt.text or "") or len(prompt.ids or ())

    whole, own_length = made(None)
    assert made(LengthSpec("trace")) == (whole, own_length)
    assert made(LengthSpec("trace", high=own_length)) == (whole, own_length)
    assert made(LengthSpec("trace", high=3))[1] == 3
    assert made(LengthSpec("trace", low=own_length + 2))[1] == own_length + 2


@pytest.mark.parametrize("as_text", [False, True])
def test_a_long_prompt_of_short_texts_is_made_in_a_few_steps(
    as_text: bool, tmp_path: Path, tiny_tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts were added one by one, and all of it was encoded again for each: 8000 tokens took 13 s."""
    (tmp_path / "data.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    encoded: list[str] = []
    encode = ModelTokenizer.prompt_ids
    monkeypatch.setattr(ModelTokenizer, "prompt_ids", lambda self, text: encoded.append(text) or encode(self, text))
    spec = PromptSpec("jsonl", path=str(tmp_path / "data.jsonl"), prompt_tokens=fixed(1000), output_tokens=fixed(1))
    prompt = source(spec, as_text=as_text, folder=tiny_tokenizer).prompt(0, None)
    tokenizer = Tokenizer.from_file(str(tiny_tokenizer / "tokenizer.json"))
    assert len(prompt.ids or tokenizer.encode(prompt.text, add_special_tokens=False).ids) == 1000
    assert len(encoded) <= 25  # up to 2000 texts: doubling to 2048 is 12 of them, halving back 10


def test_vocabulary_without_a_tokenizer_is_one_that_all_models_have() -> None:
    assert ordinary_token_ids(None)[0] == 32


@pytest.mark.parametrize("text", ["", "{}", '{"model": {"vocab": {}}}', "[]"])
def test_damaged_tokenizer_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(DataError, match="the model's own"):
        ordinary_token_ids(tmp_path)


def test_unigram_vocabulary(tmp_path: Path) -> None:
    tokenizer = {"model": {"vocab": [["<unk>", 0.0], ["a", -1.0], ["b", -2.0]]}, "added_tokens": [{"id": 0}]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert ordinary_token_ids(tmp_path) == (1, 2)
