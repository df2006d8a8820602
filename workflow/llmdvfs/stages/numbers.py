"""Numbers on a command line: types of argparse that refuse what no command could use, with what was expected."""

import argparse
import math

MAX_PORT = 65535


def whole_number(text: str) -> int:
    """Return a whole number, 0 or more: a seed, an index, a process, a file descriptor."""
    return _whole(text, 0, "a whole number, 0 or more")


def count(text: str) -> int:
    """Return a whole number, 1 or more."""
    return _whole(text, 1, "a whole number, 1 or more")


def port(text: str) -> int:
    """Return the number of a port; one above 65535 would be taken as another one, by its lower 16 bits."""
    number = _whole(text, 0, f"a port, 0 to {MAX_PORT}")
    if number > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text}: expected a port, 0 to {MAX_PORT}")
    return number


def not_below_zero(text: str) -> float:
    """Return a finite number, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text}: expected a number, 0 or more")
    return value


def above_zero(text: str) -> float:
    """Return a finite number above 0."""
    value = not_below_zero(text)
    if value == 0:
        raise argparse.ArgumentTypeError(f"{text}: expected a number above 0")
    return value


def _whole(text: str, least: int, expected: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text}: expected {expected}")
    return value
