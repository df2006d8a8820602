"""Makes the configuration's JSON schema from the records that its keys become (plan/study_file.py)."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from llmdvfs.records.allowed import UNSET, Allowed

Schema = dict[str, Any]
NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def schema_of(record: type) -> Schema:
    """Return the JSON schema of a mapping whose keys are the record's fields: types, limits, defaults, descriptions.

    A field's docstring is its description. What has a default may be left out, and what may be null.
    """
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": inspect.getdoc(record)}
    return head | _of_record(record)


def _of_record(record: type, section: Sequence[Allowed] = ()) -> Schema:
    """Return the schema of a record's fields; section: what is said of it where it stands."""
    hints, texts = get_type_hints(record, include_extras=True), _field_texts(record)
    left_out = {item.name for own in section if own.without for item in fields(own.without)}
    with_defaults = not any(own.without_defaults for own in section)
    properties: dict[str, Schema] = {}
    required = []
    for item in fields(record):
        allowed = [extra for extra in get_args(hints[item.name]) if isinstance(extra, Allowed)]
        if item.name in left_out or not all(own.is_key for own in allowed):
            continue
        key = _of_type(hints[item.name])
        default = _default(item, allowed)
        if default is UNSET and not _is_nullable(key):
            required.append(item.name)
        elif with_defaults:
            key["default"] = None if default is UNSET else default
        if not with_defaults:
            key = _without_null(key)
        properties[item.name] = key | ({"description": texts[item.name]} if item.name in texts else {})
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return schema | ({"required": required} if required else {})


def _of_type(hint: Any, allowed: Sequence[Allowed] = ()) -> Schema:
    """Return the schema of one value; allowed: what is said of it where it stands."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _limited(arguments[0], arguments[1:])
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, UnionType):
        return _any_of([_of_type(each) for each in arguments])
    if origin is tuple:
        return {"type": "array", "items": _of_type(arguments[0])}
    if origin is dict:
        return _of_mapping(arguments[0], arguments[1])
    if isinstance(hint, type) and is_dataclass(hint):
        return _of_record(hint, allowed)
    return {"type": NAMES[hint]}


def _limited(base: Any, extras: Iterable[Any]) -> Schema:
    """Return the schema of an annotated type."""
    allowed = [extra for extra in extras if isinstance(extra, Allowed)]
    written = next((own.written for own in allowed if own.written is not UNSET), base)
    schema = _of_type(written, allowed)
    for own in allowed:
        schema |= own.in_schema(_types(schema))
    return schema


def _of_mapping(key: Any, value: Any) -> Schema:
    """Return the schema of a mapping: of known keys where they are listed, else of any."""
    values = _of_type(value)
    if get_origin(key) is Literal:
        return {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(get_args(key), values)}
    names = {} if key is str else {"propertyNames": _of_type(key)}
    return {"type": "object", **names, "additionalProperties": values}


def _any_of(schemas: list[Schema]) -> Schema:
    """Return one schema of several types: each type has words of its own, so that they stand side by side."""
    enums = [value for each in schemas for value in each.get("enum", [])]
    if enums:
        return {"enum": [*enums, *([None] if {"type": "null"} in schemas else [])]}
    words = {word: value for each in schemas for word, value in each.items()}
    return {"type": [kind for each in schemas for kind in _types(each)]} | {
        k: v for k, v in words.items() if k != "type"
    }


def _types(schema: Schema) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds


def _is_nullable(schema: Schema) -> bool:
    return "null" in _types(schema) or None in schema.get("enum", [])


def _without_null(schema: Schema) -> Schema:
    if "enum" in schema:
        return schema | {"enum": [value for value in schema["enum"] if value is not None]}
    kinds = [kind for kind in _types(schema) if kind != "null"]
    return schema | ({"type": kinds[0] if len(kinds) == 1 else kinds} if kinds else {})


def _default(item: "Field[Any]", allowed: list[Allowed]) -> Any:
    """Return what a key that is left out stands for, as JSON; UNSET: it has no default."""
    own = next((each.default for each in allowed if each.default is not UNSET), UNSET)
    if own is not UNSET:
        return own
    default = item.default if item.default_factory is MISSING else item.default_factory()
    if is_dataclass(default):
        return {}  # a section in which everything is left out
    if isinstance(default, float) and default.is_integer():
        return int(default)
    return UNSET if default is MISSING else list(default) if isinstance(default, tuple) else default


def _field_texts(record: type) -> dict[str, str]:
    """Return the docstring of each field on one line, read from the source: Python itself does not keep them."""
    found = {}
    for declaring in filter(is_dataclass, reversed(record.__mro__)):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(declaring))).body
        assert isinstance(tree, ast.ClassDef)
        for declared, text in pairwise(tree.body):
            match declared, text:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(str(words))):
                    found[name] = " ".join(words.split())
    return found
