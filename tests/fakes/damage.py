"""Files damaged in every way that a disk, an editor or a careless copy knows."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

SCRAPS: tuple[Any, ...] = (None, -1, 0, 1e308, 2**80, "", "text", True, [], {}, [[]], {"": None}, float("nan"))
DEEP = 200_000  # brackets: more than any reader's stack
HUGE_BYTES = 2**23


def _empty(data: bytes, rng: random.Random) -> bytes:
    return b""


def _junk(data: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(200)


def _foreign(data: bytes, rng: random.Random) -> bytes:
    """A sound file of something else."""
    return rng.choice((b"\x89PNG\r\n\x1a\n", b"a,b\n1,2\n", b"null", b"[]", b"7", b'"text"', b"{}", b"key: value\n"))


def _of_another_schema(data: bytes, rng: random.Random) -> bytes:
    return b'{"schema": "llmdvfs/doctor-record", "schema_version": 1, "configuration": "c", "checks": []}'


def _deep(data: bytes, rng: random.Random) -> bytes:
    return b"[" * DEEP


def _huge(data: bytes, rng: random.Random) -> bytes:
    """A text without an end in a single line."""
    return b'"' + b"x" * HUGE_BYTES


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) or 1)]


def _a_byte(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) or 1)
    return data[:at] + rng.randbytes(1) + data[at + 1 :]


def _not_utf8(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) or 1)
    return data[:at] + b"\xff\xfe" + data[at:]


def _a_line_less(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    del lines[rng.randrange(len(lines)) :]
    return b"".join(lines)


def _a_line_twice(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join([*lines, rng.choice(lines)])


def _another_value(data: bytes, rng: random.Random) -> bytes:
    """Sound JSON, in a line or in all, with one value that does not belong there."""
    try:
        content, before, after = json.loads(data), b"", b""
    except ValueError:
        lines = data.splitlines(keepends=True)
        number = rng.randrange(len(lines))
        try:
            content, before, after = json.loads(lines[number]), b"".join(lines[:number]), b"".join(lines[number + 1 :])
        except ValueError:
            return _a_byte(data, rng)
    place, key = rng.choice(list(_places(content)) or [([content], 0)])
    if isinstance(place, dict) and rng.random() < 0.3:
        del place[key]
    else:
        place[key] = rng.choice(SCRAPS)
    return before + json.dumps(content).encode() + b"\n" + after


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place of a value: its container and its key there."""
    for key in content if isinstance(content, dict) else range(len(content)):
        yield content, key
        if isinstance(content[key], dict | list):
            yield from _places(content[key])


HOPELESS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "empty": _empty,
    "junk": _junk,
    "foreign": _foreign,
    "of another schema": _of_another_schema,
    "deep": _deep,
    "huge": _huge,
}
"""Nothing of the file is left: no command may succeed with it."""
SUBTLE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut": _cut,
    "a byte": _a_byte,
    "not UTF-8": _not_utf8,
    "a line less": _a_line_less,
    "a line twice": _a_line_twice,
    "another value": _another_value,
}
"""The file may still be one."""


def damaged(data: bytes, how: str, seed: int) -> bytes:
    """Return the file's content with one damage; equal seeds damage it alike."""
    return (HOPELESS | SUBTLE)[how](data, random.Random(seed))
