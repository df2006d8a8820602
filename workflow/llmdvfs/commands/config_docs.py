"""`config-docs`: makes config/README.md from the configuration's schema."""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llmdvfs.plan.config import config_schema
from llmdvfs.records.store import write_text

HEAD = """# Configuration

Made by `make schemas` from [study_file.py](../workflow/llmdvfs/plan/study_file.py) and the records that it names; do
not edit. [config.schema.json](../workflow/schemas/config.schema.json) is the same for editors.

A study is one YAML file, complete by itself: `config.yaml` is the default one, another is taken with
`snakemake --cores all --configfile config/NAME.yaml`. To change parts of the default, name both files:
`--configfile config/config.yaml mine.yaml`. Top-level keys can be set on the command line too:
`--config launches=5 architectures=single,disaggregated`.

A wrong key, a wrong type or a combination that cannot work is refused before anything starts.

| key | type | default | what it is |
|---|---|---|---|
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--output", type=Path, required=True, help="README.md to write")


def run(options: argparse.Namespace) -> int:
    """Write the page."""
    write_text(options.output, page())
    return 0


def page() -> str:
    """Return the page as Markdown, with one row for each key of the configuration."""
    return HEAD + "".join(
        f"| `{key}` | {kind} | {default} | {text} |\n" for key, kind, default, text in _rows(config_schema(), "", {})
    )


def _rows(schema: Mapping[str, Any], prefix: str, listed: dict[str, str]) -> Iterator[tuple[str, str, str, str]]:
    """Yield key, type, default and description of every key below a schema; NAME stands for a name of the user's.

    listed: the keys that have been given, as JSON, and below which key; they are not given again.
    """
    for name, sub in schema.get("properties", {}).items():
        if "description" in sub:
            yield f"{prefix}{name}", _kind(sub), _default(sub), " ".join(sub["description"].split()).replace("|", "\\|")
        keys = json.dumps(sub.get("properties", {}))
        if "description" in keys and keys in listed:
            yield f"{prefix}{name}.*", "", "", f"The same keys as `{listed[keys]}.*`."
            continue
        listed[keys] = f"{prefix}{name}"
        yield from _rows(sub, f"{prefix}{name}.", listed)
        if isinstance(members := sub.get("additionalProperties"), Mapping):
            yield from _rows(members, f"{prefix}{name}.NAME.", listed)


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join("null" if item is None else f"`{item}`" for item in schema["enum"])
    kind = schema["type"]
    return kind if isinstance(kind, str) else " or ".join(kind)


def _default(schema: Mapping[str, Any]) -> str:
    value = schema.get("default")
    if value in ({}, [], "") or "default" not in schema:
        return ""
    if isinstance(value, dict):
        return "`{" + ", ".join(f"{key}: {sub}" for key, sub in value.items()).replace("'", "") + "}`"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    return "null" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"
