"""Reads and writes records as JSON files that name their schema and version.

| schema | version | since | change |
|---|---|---|---|
| all below | 1 | 0.1.0 | first |
"""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from llmdvfs.errors import SchemaError, naming

SCHEMA_VERSION = 1

END_BYTES = 16
WAYS_OUT = {Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd")}
MAX_SHOWN = 200  # characters of a value in a message

T = TypeVar("T")


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:  # building one costs milliseconds
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def schema_name(kind: type) -> str:
    """Return the name a record's file carries, e.g. `llmdvfs/run-record` for RunRecord."""
    words = "".join("-" + c.lower() if c.isupper() else c for c in kind.__name__)
    return f"llmdvfs/{words.lstrip('-')}"


def json_schema(kind: type, *, in_line: bool = False) -> dict[str, Any]:
    """Return the JSON schema of a record's file, with the two header keys that name schema and version.

    Every field is described as it is in the record. in_line: of a record that is one line of a JSON-lines file.
    """
    # Of a list of the record: pydantic takes no configuration, and so no descriptions of fields, for a dataclass alone.
    described = ConfigDict(use_attribute_docstrings=True)
    listed = TypeAdapter(list[kind], config=described).json_schema(mode="serialization")  # type: ignore[valid-type]
    definitions, schema = listed.get("$defs", {}), listed["items"]
    if "$ref" in schema:
        schema = definitions.pop(schema["$ref"].rpartition("/")[2])
    if definitions:
        schema = {"$defs": definitions, **schema}
    if not in_line:
        header = {"schema": {"const": schema_name(kind)}, "schema_version": {"const": SCHEMA_VERSION}}
        schema["properties"] = header | schema["properties"]
        schema["required"] = [*header, *schema.get("required", [])]
    schema["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def to_json(record: Any) -> dict[str, Any]:
    """Return the record as plain JSON data, schema name and version first."""
    kind = type(record)
    body: dict[str, Any] = _adapter(kind).dump_python(record, mode="json")
    return {"schema": schema_name(kind), "schema_version": SCHEMA_VERSION, **body}


def compact_json(record: Any) -> str:
    """Return a record, or plain data, as one line of JSON without default values, to be passed on a command line."""
    data = _adapter(type(record)).dump_python(record, mode="json", exclude_defaults=True)
    return json.dumps(data, separators=(",", ":"))


def from_json(text: str, kind: type[T]) -> T:
    """Return the record in a text that `compact_json` wrote; SchemaError says what is wrong with it."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"argument: cannot be read as JSON ({error}); expected a {schema_name(kind)}") from error
    return _validate(Path("argument"), kind, data)


def write_text(path: Path, text: str) -> None:
    """Write a text as a whole file or not at all."""
    with whole_file(path) as file:
        file.write(text.encode())


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give an open file that stands at `path` once all is written, or never: no reader ever sees a part of it.

    A pipe or a device is written to as it is.
    """
    if _is_way_out(path):
        with naming(path), path.open("wb") as way:
            yield way
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink()
        if isinstance(error, OSError):
            error.filename = str(path)  # the system names no file for a full disk, or the draft's
        raise


def _is_way_out(path: Path) -> bool:
    """Return whether a name is no file's: a pipe, a device, or what leads to an open file, as /dev/stdout does.

    Renaming a new file to it, as `root` may, would leave a plain file in its place for the whole machine.
    """
    is_other = path.exists() and not path.is_file() and not path.is_dir()
    return is_other or path.absolute().parent in WAYS_OUT


def write_record(path: Path, record: Any, *, indent: int | None = 1) -> None:
    """Write one record as a JSON file, atomically.

    indent: None for a long record that nobody reads: indented JSON takes ten times as long to write.
    """
    write_text(path, json.dumps(to_json(record), indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def is_whole(path: Path) -> bool:
    """Return whether a file is there with content, and if JSON with its last brace, which a cut file has lost.

    Only the file's end is read, since a plan asks this of every file that the study holds.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - END_BYTES, 0))
            end = file.read()
    except OSError:
        return False
    return end.rstrip().endswith(b"}") if path.suffix == ".json" else size > 0


def read_record(path: Path, kind: type[T]) -> T:
    """Read a record; SchemaError names the file and what is wrong with it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as error:
        # Nobody is to remove a folder, or what is not there.
        remedy = ". Where it was made of other files, remove it and run again" if path.is_file() else ""
        raise SchemaError(
            f"{path}: cannot be read as JSON ({_why(error)}); expected a whole {schema_name(kind)} file{remedy}"
        ) from error
    return record_of(path, data, kind)


def record_of(path: Path, data: Any, kind: type[T]) -> T:
    """Return the record that plain JSON data of the file `path` holds; SchemaError names what is wrong with it."""
    seen = (data.pop("schema", None), data.pop("schema_version", None)) if isinstance(data, dict) else (None, None)
    if seen != (schema_name(kind), SCHEMA_VERSION):
        raise SchemaError(
            f"{path}: schema {seen[0]!r} version {seen[1]!r}, expected {schema_name(kind)!r} version "
            f"{SCHEMA_VERSION}; rebuild it with this version of llm-dvfs"
        )
    return _validate(path, kind, data)


def write_lines(path: Path, records: Iterable[Any]) -> None:
    """Write records as JSON lines, atomically."""
    lines = (orjson.dumps(record).decode() for record in records)
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_lines(path: Path, kind: type[T]) -> Iterator[T]:
    """Yield the records of a JSON-lines file; SchemaError names the line that is damaged."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise SchemaError(f"{path}: cannot be read ({_why(error)}); expected lines of {schema_name(kind)}") from error
    with file:
        for number, line in enumerate(file, 1):
            try:
                yield _adapter(kind).validate_json(line)
            except ValidationError as error:
                raise SchemaError(f"{path}:{number}: not a {schema_name(kind)}: {_first(error)}") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _validate(path: Path, kind: type[T], data: Any) -> T:
    try:
        record: T = _adapter(kind).validate_python(data)
    except ValidationError as error:
        raise SchemaError(f"{path}: {_first(error)}") from error
    return record


def _first(error: ValidationError) -> str:
    """Return the first of the faults: where, what was expected, and what was seen, shortened."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    seen = repr(first["input"])
    return f"{where}: {first['msg']} (seen {seen if len(seen) <= MAX_SHOWN else f'{seen[:MAX_SHOWN]}...'})"
