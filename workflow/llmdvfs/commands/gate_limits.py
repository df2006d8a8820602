"""Limits of the validity gates on a command line: an object of JSON, named as in the configuration's `gates`."""

import argparse
import json
import sys
from dataclasses import fields
from typing import Any

from llmdvfs.analysis.cell import MAX_CONDITION_NUMBER
from llmdvfs.analysis.gates.limits import GateLimits

NAMES = {MAX_CONDITION_NUMBER, *(field.name for field in fields(GateLimits))}
MAX_SHOWN = 60  # characters of a text in a message


def gate_limits(text: str) -> dict[str, float]:
    """Return limits by name; ArgumentTypeError says what of the text is none."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{text[:MAX_SHOWN]!r}: not JSON ({error}); {_expected()}") from error
    if not isinstance(given, dict):
        raise argparse.ArgumentTypeError(f"{text[:MAX_SHOWN]!r}: no object of JSON; {_expected()}")
    for name, value in given.items():
        if name not in NAMES:
            raise argparse.ArgumentTypeError(f"{name[:MAX_SHOWN]!r}: no gate has such a limit; {_expected()}")
        if not _is_limit(value):
            raise argparse.ArgumentTypeError(f"{name}: {value!r:.{MAX_SHOWN}}: expected a number, 0 or more")
    return given


def _is_limit(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max


def _expected() -> str:
    return f"expected an object of limits by name, of {', '.join(sorted(NAMES))}"
