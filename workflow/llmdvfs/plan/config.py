"""Turns what the user wrote (files and `--config`) into a complete, valid configuration, or says what is wrong."""

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from llmdvfs.errors import ConfigError

SCHEMA_PATH = Path(str(resources.files("llmdvfs"))).parent / "schemas" / "config.schema.yaml"


@cache
def config_schema() -> dict[str, Any]:
    """Return the JSON schema of the configuration."""
    schema: dict[str, Any] = yaml.safe_load(SCHEMA_PATH.read_text(encoding="utf-8"))
    return schema


def complete_config(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with command-line strings typed and defaults filled in.

    Raises ConfigError with one line for every wrong key or value: the key, the value seen and what is allowed.
    """
    config: dict[str, Any] = _complete(dict(given), config_schema())
    problems = [_explain(error) for error in _leaves(Draft202012Validator(config_schema()).iter_errors(config))]
    if problems:
        raise ConfigError("wrong configuration:\n  " + "\n  ".join(sorted(set(problems))))
    return config


def _complete(value: Any, schema: Mapping[str, Any]) -> Any:
    """Type the strings that `snakemake --config` delivers and fill in defaults, as the schema says."""
    schema = _resolve(schema)
    value = _typed(value, schema)
    if isinstance(value, Mapping) and "oneOf" not in schema:
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


def _resolve(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return {**config_schema()["$defs"][name], **{key: sub for key, sub in schema.items() if key != "$ref"}}
    return schema


def _typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """Read `architectures=single,disaggregated`, `flag=true` and the string leaves of `--config 'a={"b": 3}'`."""
    if not isinstance(value, str):
        return value
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if "array" in types and not value.lstrip().startswith("["):
        return [item.strip() for item in value.split(",") if item.strip()]
    if "string" in types or ("enum" in schema and value in schema["enum"]):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value


def _leaves(errors: Iterator[ValidationError]) -> Iterator[ValidationError]:
    """Yield the errors that name the wrong place; of alternatives, the one that the value comes nearest to."""
    for error in errors:
        if error.context:
            deepest = max(error.context, key=lambda sub: (len(sub.absolute_path), sub.validator != "type"))
            yield deepest if len(deepest.absolute_path) > len(error.absolute_path) else error
        else:
            yield error


def _explain(error: ValidationError) -> str:
    key = ".".join(str(part) for part in error.absolute_path)
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, Mapping) else {}
    if error.validator == "additionalProperties":
        allowed = sorted(schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(allowed))
        near = difflib.get_close_matches(str(unknown[0]), allowed, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        where = f"in {key!r}" if key else "at the top level"
        return f"unknown key {unknown[0]!r} {where}: {hint}allowed: {', '.join(allowed)}"
    if error.validator == "required":
        missing = error.message.split("'")[1]
        return f"{key}: key {missing!r} is missing; allowed: {', '.join(sorted(schema.get('properties', {})))}"
    if error.validator == "pattern" and "propertyNames" in [str(part) for part in error.absolute_schema_path]:
        return (
            f"{key}: name {error.instance!r}: expected letters, digits, '.' and '-', beginning with a letter or digit"
        )
    return f"{key}: {error.instance!r}: {_expectation(error, schema)}"


def _expectation(error: ValidationError, schema: Mapping[str, Any]) -> str:
    limit = error.validator_value
    match error.validator:
        case "type":
            return f"expected {' or '.join([limit] if isinstance(limit, str) else limit)}"
        case "enum":
            return f"expected one of {', '.join('null' if item is None else str(item) for item in limit)}"
        case "minimum":
            return f"expected {limit} or more"
        case "exclusiveMinimum":
            return f"expected more than {limit}"
        case "maximum":
            return f"expected {limit} or less"
        case "minItems" | "minProperties":
            return f"expected at least {limit} entry"
        case "pattern":
            return f"expected text matching {limit}"
        case "oneOf":
            return f"expected {schema.get('description', error.message)}"
    return str(error.message)
