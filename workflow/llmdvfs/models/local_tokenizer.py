"""Finds a model's tokenizer on this machine: nothing is written, and nothing is downloaded."""

from pathlib import Path
from typing import TYPE_CHECKING

from llmdvfs.errors import DataError
from llmdvfs.models.resolve import TINY_SEED
from llmdvfs.models.shapes import TOKENIZER_SEED
from llmdvfs.models.tokenizer import trained_tokenizer
from llmdvfs.records.spec import ModelSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"


def local_tokenizer(model: ModelSpec) -> "Tokenizer | None":
    """Return a model's tokenizer; None where there is none here: a hub's model that was never downloaded, say.

    Raises DataError where its file is damaged.
    """
    match model.source:
        case "tiny":
            return trained_tokenizer(TINY_SEED)
        case "shape":
            return trained_tokenizer(TOKENIZER_SEED)
        case "path":
            path = Path(model.location).expanduser() / TOKENIZER
        case "hub":
            path = Path(_downloaded(model.location))
    if not path.is_file():
        return None
    from tokenizers import Tokenizer  # here, since every plan imports this file

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises bare Exception
        raise DataError(f"{path}: cannot be loaded ({error}); expected the model's own, get it again") from error


def _downloaded(name: str) -> str:
    """Return where the hub's own cache has a model's tokenizer; a path of nothing where it has not."""
    from huggingface_hub import try_to_load_from_cache  # here: its import takes as long as a small plan

    try:
        found = try_to_load_from_cache(name, TOKENIZER)
    except ValueError:  # no name that a hub could have
        return ""
    return found if isinstance(found, str) else ""
