"""A gate's answer, in one of three words."""

from llmdvfs.records.result import Gate


def verdict(name: str, passed: bool, *, seen: str, expected: str, remedy: str) -> Gate:
    """Return the gate, passed or failed."""
    return Gate(name, "passed" if passed else "failed", seen, expected, remedy)


def not_applicable(name: str, why: str, *, expected: str) -> Gate:
    """Return a gate that this cell has no data for, or no sense in."""
    return Gate(name, "not_applicable", why, expected, "")
