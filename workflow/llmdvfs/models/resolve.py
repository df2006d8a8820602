"""Turns a model of the configuration into what vLLM's --model takes."""

from pathlib import Path
from typing import Any

from llmdvfs.errors import ConfigError
from llmdvfs.models import shapes, tiny
from llmdvfs.models.facts import read_config
from llmdvfs.models.shape import config
from llmdvfs.records.spec import ModelSpec

TINY_SEED = 0


def resolve_model(spec: ModelSpec, cache_folder: Path) -> str:
    """Return the model's folder, or its hub name where it comes from a hub; generated models are written first."""
    if spec.source == "hub":
        return spec.location
    if spec.source == "path":
        return str(_existing_folder(spec))
    folder = model_folder(spec, cache_folder)
    if spec.source == "tiny":
        tiny.write_tiny_model(folder, TINY_SEED)
    else:
        shapes.write_shape(folder, spec.location)
    return str(folder)


def config_of(spec: ModelSpec) -> dict[str, Any] | None:
    """Return a model's config.json before anything is written; None where only the hub has it."""
    match spec.source:
        case "tiny":
            return tiny.config()
        case "shape":
            return config(shapes.shape_named(spec.location))
        case "path":
            return read_config(_existing_folder(spec))
    return None


def model_folder(spec: ModelSpec, cache_folder: Path) -> Path:
    """Return the absolute path of a generated model below the cache folder; servers start in other folders."""
    name = f"tiny-seed{TINY_SEED}" if spec.source == "tiny" else f"shape-{spec.location}"
    return (cache_folder / name).resolve()


def _existing_folder(spec: ModelSpec) -> Path:
    folder = Path(spec.location).expanduser().resolve()
    if not folder.is_dir():
        raise ConfigError(
            f"model {spec.name!r}: folder {spec.location!r} does not exist (looked at {folder}); put it back, or "
            f"correct models.{spec.name}.location"
        )
    if not (folder / "config.json").is_file():
        raise ConfigError(f"model {spec.name!r}: {folder} has no config.json; expected a model in Hugging Face layout")
    return folder
