"""Any record as an indented outline: every field with its value and the unit that its name says."""

from collections.abc import Iterator, Mapping
from typing import Any

UNITS = {
    "_s": "s",
    "_j": "J",
    "_w": "W",
    "_mhz": "MHz",
    "_bytes": "bytes",
    "_rps": "requests/s",
    "_per_s": "1/s",
    "_js": "J s",
    "_c": "°C",
    "_mono_ns": "ns",
}
MAX_ITEMS = 8  # items of a list that are shown; the file has all
MAX_INLINE = 60  # characters of a list in one line


def outline(data: Mapping[str, Any], indent: int = 0) -> Iterator[str]:
    """Yield the lines of plain JSON data; what was not measured (null) says so, and long lists are cut and counted."""
    for name, value in data.items():
        yield from _field(str(name), value, " " * indent, indent)


def _field(name: str, value: Any, margin: str, indent: int) -> Iterator[str]:
    if isinstance(value, dict) and value:
        yield f"{margin}{name}:"
        yield from outline(value, indent + 2)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        yield f"{margin}{name}: {len(value)}"
        for number, item in enumerate(value[:MAX_ITEMS]):
            if isinstance(item, dict):
                yield f"{margin}  {number + 1}:"
                yield from outline(item, indent + 4)
            else:
                yield f"{margin}  {number + 1}: {_shown(name, item)}"
        if len(value) > MAX_ITEMS:
            yield f"{margin}  ... {len(value) - MAX_ITEMS} more"
    else:
        yield f"{margin}{name}: {_shown(name, value)}"


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        number = f"{value:.6g}" if isinstance(value, float) else str(value)
        return f"{number} {_unit(name)}".rstrip()
    if isinstance(value, list | dict):
        text = ", ".join(_shown(name, item) for item in value)
        return text if len(text) <= MAX_INLINE else f"{len(value)}: {text[:MAX_INLINE]}..."
    return str(value)


def _unit(name: str) -> str:
    endings = [ending for ending in UNITS if name.endswith(ending)]
    return UNITS[max(endings, key=len)] if endings else ""
