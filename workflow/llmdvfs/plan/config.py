"""Turns what the user wrote (files and `--config`) into a complete, valid configuration, or says what is wrong."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, TypeChecker, validators
from jsonschema.exceptions import ValidationError

from llmdvfs.arrivals.table import ARRIVALS
from llmdvfs.errors import ConfigError
from llmdvfs.inputs.traces.table import TRACE_FORMATS
from llmdvfs.plan.overrides import overrides
from llmdvfs.plan.refusal import explain
from llmdvfs.plan.secrets import secrets

READ_AS_ANOTHER_NUMBER = re.compile(r"[-+]?(0[0-9_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""What YAML 1.1 takes for octal (010 is 8) or for minutes and seconds (1:30 is 90)."""
MAX_VALUES = 100_000  # of a study of thousands of operating points: some thousands
EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
SCHEMA_PATH = Path(str(resources.files("llmdvfs"))).parent / "schemas" / "config.schema.json"


@cache
def config_schema() -> dict[str, Any]:
    """Return the JSON schema of the configuration as `make schemas` made it, with the tables as they are now."""
    schema: dict[str, Any] = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    return with_tables(schema)


def with_tables(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with all kinds of arrivals and all formats of traces: tables of the library, written in."""
    workload = schema["properties"]["workloads"]["additionalProperties"]
    arrival = workload["properties"]["arrival"]["properties"]
    arrival["kind"] |= {
        "enum": list(ARRIVALS),
        "description": "; ".join(f"`{kind.name}`: {kind.what}" for kind in ARRIVALS.values()) + ".",
    }
    arrival["trace_format"] |= {
        "enum": [*TRACE_FORMATS, None],
        "description": "trace: its format. "
        + "; ".join(f"`{form.name}`: {form.what}" for form in TRACE_FORMATS.values())
        + ".",
    }
    return schema


def complete_config(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with the strings of the command line typed and defaults filled in.

    Raises ConfigError with one line for every wrong key or value: the key, the value seen and what is allowed.
    """
    _check_size(given)
    try:
        config: dict[str, Any] = _complete(dict(given), config_schema())
    except RecursionError:
        raise ConfigError("wrong configuration: brackets in brackets, too deep to be read") from None
    # Secrets alone, where there are any: another line might show them.
    problems = secrets(config) or [explain(error) for error in _leaves(schema_validator().iter_errors(config))]
    if problems := problems or overrides(config):
        raise ConfigError("wrong configuration:\n  " + "\n  ".join(sorted(set(problems))))
    return config


def _check_size(given: Mapping[str, Any]) -> None:
    """Refuse what would take minutes to look through: aliases of YAML make a page of text a million values."""
    waiting: list[Any] = [given]
    for _ in range(MAX_VALUES):
        if not waiting:
            return
        value = waiting.pop()
        waiting += value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    raise ConfigError(
        f"wrong configuration: over {MAX_VALUES} values, or a part that contains itself (YAML aliases); write them out"
    )


@cache
def schema_validator() -> Draft202012Validator:
    """Return the schema's validator.

    For it only finite numbers are numbers, and only texts that can be stored are texts.
    """
    types: TypeChecker = Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number).redefine("string", _is_text)
    return validators.extend(Draft202012Validator, type_checker=types)(config_schema())


def _is_number(_: TypeChecker, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(_: TypeChecker, value: Any) -> bool:
    """Return whether a text can stand in a file and on a command line: no NUL, no half of a surrogate pair."""
    return isinstance(value, str) and not re.search("[\0\ud800-\udfff]", value)


def _complete(value: Any, schema: Mapping[str, Any]) -> Any:
    """Type the strings that `snakemake --config` delivers and fill in defaults, as the schema says."""
    value = _typed(value, schema)
    if isinstance(value, Mapping):
        known = schema.get("properties", {})
        others = schema.get("additionalProperties")
        filled = {key: sub["default"] for key, sub in known.items() if "default" in sub} | dict(value)
        return {
            key: _complete(sub, known.get(key, others if isinstance(others, Mapping) else {}))
            for key, sub in filled.items()
        }
    if isinstance(value, list) and "items" in schema:
        return [_complete(item, schema["items"]) for item in value]
    return value


def _typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """Read `architectures=single,disaggregated`, `flag=true` and the string leaves of `--config 'a={"b": 3}'`.

    YAML's own traps too: `1e3` is a text there, 8.0 no integer to Python, and an unquoted 2026-11-22 a date.
    """
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if isinstance(value, float) and value.is_integer() and "number" not in types:
        return int(value)
    if isinstance(value, date) and "string" in types:
        return value.isoformat()
    if not isinstance(value, str):
        return value
    if "array" in types and not value.lstrip().startswith("["):
        return [item.strip() for item in value.split(",") if item.strip()]
    if "null" in types and value in ("null", "~"):
        return None
    if "string" in types or ("enum" in schema and value in schema["enum"]):
        return value
    if EXPONENT.fullmatch(value) and not math.isinf(number := float(value)):
        return int(number) if "number" not in types and number.is_integer() else number
    if READ_AS_ANOTHER_NUMBER.fullmatch(value):
        return value  # refused: text is no number
    try:
        read = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError):
        return value
    return read if isinstance(read, str) else _typed(read, schema)


def _leaves(errors: Iterator[ValidationError]) -> Iterator[ValidationError]:
    """Yield the errors that name the wrong place; of alternatives, the one that the value comes nearest to."""
    for error in errors:
        if error.context:
            deepest = max(error.context, key=lambda sub: (len(sub.absolute_path), sub.validator != "type"))
            yield deepest if len(deepest.absolute_path) > len(error.absolute_path) else error
        else:
            yield error
