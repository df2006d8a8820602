"""Versions of the engine as numbers that can be compared."""

import re

from llmdvfs.errors import ConfigError


def version_tuple(text: str) -> tuple[int, ...]:
    """Return the numbers of a version, e.g. (0, 32, 0) for `0.32.0+cpu` and for `0.32.0rc1`."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    if match is None:
        raise ConfigError(f"vLLM version {text!r} is not understood; expected something like 0.32.0")
    return tuple(int(part) for part in match.groups(default="0"))
