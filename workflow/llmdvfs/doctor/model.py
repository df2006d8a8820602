"""Gets a model's config.json before the model itself is written or downloaded."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmdvfs.models.folder import write_json
from llmdvfs.models.resolve import config_of
from llmdvfs.records.spec import ModelSpec


@contextmanager
def config_folder(model: ModelSpec) -> Iterator[Path | None]:
    """Give a folder with the model's config.json for the length of a block; None where only its hub has it."""
    if model.source == "path":
        yield Path(model.location).expanduser()
        return
    config = config_of(model)
    with tempfile.TemporaryDirectory() as name:
        if config is not None:
            write_json(Path(name) / "config.json", config)
        yield Path(name) if config is not None else None
