"""Counts tokens with the model's own tokenizer, and makes texts of an exact number of tokens."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from llmdvfs.errors import ConfigError, DataError

MAX_FITTING_TRIES = 32  # a text is cut and counted again; most fit at the first or second try
TRIES_PER_BEGIN = 4


def token_counter(folder: Path | None) -> Callable[[str], int] | None:
    """Return a function that counts the tokens of a text; None where there is no tokenizer folder.

    The tokenizer is loaded only when the first text needs it, since few answers do.
    """
    if folder is None:
        return None
    load = cache(lambda: ModelTokenizer(folder, "counting the tokens of an answer"))
    return lambda text: load().count(text)


class ModelTokenizer:
    """The tokenizer of a tokenizer.json.

    Its library is imported only where texts are in play, since loading a large one takes a second.
    """

    def __init__(self, folder: Path | None, needed_for: str) -> None:
        if folder is None:
            raise ConfigError(f"{needed_for} needs the model's tokenizer, and no tokenizer folder is given")
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the package raises bare Exception
            raise DataError(
                f"{folder / 'tokenizer.json'}: cannot be loaded ({error}); expected the model's own"
            ) from error

    def prompt_ids(self, text: str) -> list[int]:
        """Return the ids that a server makes of a completion prompt, its leading control tokens included."""
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def count(self, text: str) -> int:
        """Return the number of tokens of a text by itself, without control tokens."""
        return len(self._plain_ids(text))

    def lasting_ids(self, ids: Sequence[int]) -> tuple[int, ...]:
        """Return those ids whose own text becomes the same id again; ids for parts of characters do not."""
        texts = self._tokenizer.decode_batch([[token] for token in ids], skip_special_tokens=True)
        encoded = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return tuple(token for token, again in zip(ids, encoded, strict=True) if again.ids == [token])

    def text_of(self, ids: Sequence[int], num_tokens: int) -> str:
        """Return a text of exactly num_tokens tokens, made of the leading ids.

        Decoding and encoding again may merge neighbours, so the cut moves until the count is right; where two cuts
        miss it in turns, one more id is left out at the begin.
        """
        cut = num_tokens
        for number in range(MAX_FITTING_TRIES):
            begin = number // TRIES_PER_BEGIN
            text: str = self._tokenizer.decode(list(ids[begin : begin + cut]), skip_special_tokens=True)
            seen = self.count(text)
            if seen == num_tokens:
                return text
            cut = max(cut + num_tokens - seen, 1)
        raise DataError(
            f"no text of exactly {num_tokens} tokens found in {MAX_FITTING_TRIES} tries (last count {seen}); "
            "use the completions endpoint, which takes token ids"
        )

    def _plain_ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids
