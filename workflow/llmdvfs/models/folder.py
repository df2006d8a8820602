"""Writes a model folder that is either complete or absent."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmdvfs.errors import MISREAD

RECIPE_FILE = "llmdvfs-model.json"


def write_folder(folder: Path, recipe: dict[str, Any], fill: Callable[[Path], None]) -> None:
    """Make `folder` by calling `fill`, whole or not at all; nothing is done where this recipe has made it already.

    recipe: everything that decides the content; it is stored in the folder.
    """
    if recipe_of(folder) == recipe:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        fill(draft)
        (draft / RECIPE_FILE).write_text(json.dumps(recipe, indent=1) + "\n", encoding="utf-8")
        draft.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        draft.replace(folder)
    except OSError:
        # Two jobs may make the same model at once; whoever comes second finds it there.
        if recipe_of(folder) != recipe:
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def recipe_of(folder: Path) -> dict[str, Any] | None:
    """Return the recipe that a generated model folder was made from; None: no folder, or not made here."""
    try:
        recipe: dict[str, Any] = json.loads((folder / RECIPE_FILE).read_text(encoding="utf-8"))
    except (OSError, *MISREAD):
        return None
    return recipe


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write one of a model's JSON files."""
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
