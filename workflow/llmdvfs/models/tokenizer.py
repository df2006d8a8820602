"""Makes a byte-level BPE tokenizer, trained on the spot on seeded pseudo-words."""

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

from llmdvfs.models.folder import write_json

SPECIAL_TOKENS = ("<|end|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|system|>")
END_TOKEN_ID = 0
PAD_TOKEN_ID = 1
NUM_TRAINED_TOKENS = 2048

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

_ONSETS = ("b", "br", "d", "dr", "f", "g", "gr", "k", "kl", "l", "m", "n", "p", "pl", "r", "s", "st", "t", "tr", "v")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ou")
_CODAS = ("", "", "n", "r", "s", "l", "nd", "m")


def write_tokenizer(folder: Path, vocab_size: int, seed: int, max_model_len: int) -> None:
    """Write tokenizer.json and tokenizer_config.json whose ids are exactly 0 .. vocab_size - 1.

    Ids beyond the trained ones are filler words that no text maps to: a model with dummy weights emits any id, and
    each must become some text, or streams would carry empty chunks.
    """
    tokenizer = json.loads(_train(min(vocab_size, NUM_TRAINED_TOKENS), seed).to_str())
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    vocabulary.update({f"<{token_id}>": token_id for token_id in range(len(vocabulary), vocab_size)})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": SPECIAL_TOKENS[END_TOKEN_ID],
            "pad_token": SPECIAL_TOKENS[PAD_TOKEN_ID],
            "clean_up_tokenization_spaces": False,
            "model_max_length": max_model_len,
            "chat_template": CHAT_TEMPLATE,
        },
    )


@cache
def trained_tokenizer(seed: int) -> "Tokenizer":
    """Return the tokenizer that `write_tokenizer` writes, but for its filler words; it takes half a second."""
    return _train(NUM_TRAINED_TOKENS, seed)


def _train(vocab_size: int, seed: int) -> "Tokenizer":
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # every plan imports this file

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_lines(seed), trainer)
    if tokenizer.get_vocab_size() != vocab_size:
        raise AssertionError(f"trained {tokenizer.get_vocab_size()} tokens, expected {vocab_size}: enlarge the corpus")
    return tokenizer


def _lines(seed: int) -> list[str]:
    import numpy as np

    # RandomState's stream is frozen: the same seed gives the same tokenizer with every numpy.
    random = np.random.RandomState(seed)

    def word() -> str:
        parts = (_ONSETS, _VOWELS, _CODAS) * random.randint(1, 4)
        return "".join(part[random.randint(len(part))] for part in parts)

    words = [word() for _ in range(2500)]
    # Zipf-like use, as in a language: early words are frequent, so merges have an order.
    ranks = np.minimum(random.zipf(1.3, size=40_000) - 1, len(words) - 1)
    text = [words[rank] for rank in ranks] + words
    return [" ".join(text[at : at + 12]) for at in range(0, len(text), 12)]
