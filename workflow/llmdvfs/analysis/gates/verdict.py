"""Makes a gate's answer, in one of three words: passed, failed, or not applicable here.

Every answer carries what was seen and what was expected, in words and with units, for a reader of the report who does
not know the gate; a failed one also says what to do about it.
"""

from llmdvfs.records.result import Gate


def verdict(name: str, passed: bool, *, seen: str, expected: str, remedy: str) -> Gate:
    """Return a gate that passed or failed.

    seen, expected: in words, with units. remedy: what to do, in the imperative, if it failed.
    """
    return Gate(name, "passed" if passed else "failed", seen, expected, remedy)


def not_applicable(name: str, why: str, *, expected: str) -> Gate:
    """Return a gate that has no meaning in this cell, or no data to judge by; `why` says which."""
    return Gate(name, "not_applicable", why, expected, "")
