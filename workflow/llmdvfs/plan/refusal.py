"""Says in one line what is wrong with a value of the configuration: the key, what was seen, what is allowed."""

import difflib
import math
from collections.abc import Mapping
from datetime import date
from typing import Any

from jsonschema.exceptions import ValidationError

MAX_SHOWN = 80  # characters of a value
KINDS = {
    "object": "mapping (`key: value`)",
    "array": "list",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}
"""Type in the schema -> its name for people; what is not here is called what it is."""
UNITS = {
    "_s": "in seconds",
    "_mhz": "in MHz",
    "_w": "in watts",
    "_rps": "a second",
    "_gib": "in GiB",
    "_gb": "in GB",
    "_fraction": "from 0 to 1",
    "_utilization": "from 0 to 1",
}
"""End of a key -> unit of its number."""


def explain(error: ValidationError) -> str:
    """Return one line about one wrong value: its key, what was seen, and what is allowed."""
    key = ".".join(str(part) for part in error.absolute_path)
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, Mapping) else {}
    if error.validator == "additionalProperties":
        return _unknown_key(key, list(error.instance), list(schema.get("properties", {})))
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        allowed = f"; allowed: {', '.join(sorted(schema.get('properties', {})))}"
        return f"{key or 'configuration'}: key {missing!r} is missing{allowed}"
    seen = shown(error.instance)
    if "propertyNames" in [str(part) for part in error.absolute_schema_path]:
        return f"{key}: name {seen}: {_expected_name(error, schema)}"
    return f"{key}: {seen}: {_expected(error, schema, key)}"


def shown(value: Any) -> str:
    """Return a value as YAML would have it, shortened."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, float) and not math.isfinite(value):
        return f".{value}"
    text = value.isoformat() if isinstance(value, date) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _unknown_key(key: str, given: list[Any], allowed: list[str]) -> str:
    unknown = next(name for name in given if name not in allowed)
    near = difflib.get_close_matches(str(unknown), allowed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    where = f"in {key!r}" if key else "at the top level"
    return f"unknown key {shown(unknown)} {where}: {hint}allowed: {', '.join(sorted(allowed))}"


def _expected_name(error: ValidationError, schema: Mapping[str, Any]) -> str:
    if error.validator == "type":
        return "expected text; write it in quotes"
    return f"expected {schema.get('x-expected', error.message)}"


def _expected(error: ValidationError, schema: Mapping[str, Any], key: str) -> str:
    limit = error.validator_value
    match error.validator:
        case "type":
            return _expected_type(error.instance, [limit] if isinstance(limit, str) else list(limit), schema, key)
        case "enum":
            near = [item for item in limit if str(item).lower() == str(error.instance).lower()]
            hint = f"did you mean {near[0]!r}? " if near else ""
            return f"{hint}expected one of {', '.join('null' if item is None else str(item) for item in limit)}"
        case "minimum":
            return f"expected {schema.get('x-expected', f'{limit} or more')}"
        case "exclusiveMinimum":
            return f"expected more than {limit}"
        case "maximum":
            return f"expected {limit} or less{_unit(key)}"
        case "minItems" | "minProperties":
            return f"expected at least {limit} entry"
        case "maxItems":
            return f"expected at most {limit} entries"
        case "uniqueItems":
            return "expected each entry once"
        case "pattern":
            return f"expected {schema.get('x-expected', f'text matching {limit}')}"
    return str(error.message)


def _expected_type(value: Any, kinds: list[str], schema: Mapping[str, Any], key: str) -> str:
    """Name the types that are allowed, and the slip where it is a known one."""
    names = f"expected {' or '.join(KINDS.get(kind, kind) for kind in kinds)}"
    is_numeric = "number" in kinds or "integer" in kinds
    if value is None and "default" in schema:
        return f"{names}; leave the key out for its default"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{names}, finite"
    if isinstance(value, str) and is_numeric:
        return f"{names}{_unit(key)}"
    if "string" in kinds:
        if isinstance(value, list | dict):
            return names
        return f"{names}{' without such characters' if isinstance(value, str) else '; write it in quotes'}"
    if "object" in kinds and (said := schema.get("x-expected") or schema.get("description")):
        return f"{names}: {said}"
    return names


def _unit(key: str) -> str:
    """Return the unit that the key says, or, for a value of each role, the key before the role."""
    parts = reversed(key.split("."))
    return next((f", {unit}" for part in parts for end, unit in UNITS.items() if part.endswith(end)), "")
