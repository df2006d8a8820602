"""Reads the token ids that a prompt may be made of, without loading a tokenizer."""

from pathlib import Path
from typing import Any

import orjson

from llmdvfs.errors import DataError

# Every vocabulary that vLLM serves has these; the first ids are often control tokens.
IDS_OF_ANY_VOCABULARY = tuple(range(32, 500))


def ordinary_token_ids(tokenizer_folder: Path | None) -> tuple[int, ...]:
    """Return the ids of the model's vocabulary that are not control tokens, ascending."""
    if tokenizer_folder is None:
        return IDS_OF_ANY_VOCABULARY
    path = tokenizer_folder / "tokenizer.json"
    try:
        data: dict[str, Any] = orjson.loads(path.read_bytes())
        vocabulary = data["model"]["vocab"]
        # BPE and WordPiece: {token: id}; Unigram: [[token, score], ...] with the position as id.
        ids = set(vocabulary.values()) if isinstance(vocabulary, dict) else set(range(len(vocabulary)))
        ids -= {token["id"] for token in data.get("added_tokens") or ()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: not a tokenizer's file ({error!r}); expected the model's own tokenizer.json"
        ) from error
    if not ids:
        raise DataError(f"{path}: the vocabulary is empty; expected the model's own tokenizer.json")
    return tuple(sorted(ids))
