"""Recognises in a server's log why it did not start or died (pure)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from llmdvfs.serving.instance.causes import CAUSES

MAX_EVIDENCE = 300  # characters of a log line in a message
_PROCESS = r"(?:\(\w+[^)]*pid=\d+\)\s*)?"
_HARMLESS = re.compile(rf"^{_PROCESS}(INFO|DEBUG|WARNING)\b|\bNCCL (INFO|TRACE)\b")
"""A line's own level stands at its begin; `NCCL error: ... (run with NCCL_DEBUG=INFO)` is an error that names one."""
_WRAPPERS = re.compile(
    r"engine core initialization failed|workerproc initialization failed|failed core proc|see root cause above"
    r"|check the stack trace above|\d+ validation errors? for \w+|for further information visit|childfailederror",
    re.IGNORECASE,
)
"""What processes say because another one, or a line beside it, has failed."""
_ERROR_LINE = re.compile(r"(\w+Error|\w+Exception|error):? .*|^(value|assertion) error, ", re.IGNORECASE)
_PYDANTIC_HEAD = re.compile(r"validation errors? for \w+$")
_PYDANTIC_TAIL = re.compile(r" \[type=\w+, input_value=.*")
_LOG_PREFIX = re.compile(r"^\(\w+[^)]*pid=\d+\)\s*|^(ERROR|WARNING|INFO) [\d-]+ [\d:.]+ \[[^\]]*\]\s*")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a log shows: the cause in words, the line that shows it, and what to do."""

    cause: str
    evidence: str
    remedy: str

    def __str__(self) -> str:
        """Return cause, evidence and remedy as one message."""
        return f"{self.cause}: {self.evidence}; {self.remedy}"


def diagnose(log: str) -> Diagnosis | None:
    """Return the known cause that a log shows; None where it shows none."""
    lines = log.splitlines()
    for cause in CAUSES:
        pattern = re.compile(cause.pattern, re.IGNORECASE)
        for number, line in enumerate(lines):
            if pattern.search(line) and not _HARMLESS.search(line):
                return Diagnosis(cause.name, _evidence(lines, number), cause.remedy)
    return None


def _evidence(lines: Sequence[str], number: int) -> str:
    """Return a line; with it, where it only counts pydantic's errors, the first of them: a key and what is wrong."""
    first = lines[number + 1 : number + 3]
    if _PYDANTIC_HEAD.search(lines[number]) and first and _PYDANTIC_TAIL.search(first[-1]):
        return _clean(" ".join([lines[number], *(line.strip() for line in first)]))
    return _clean(lines[number])


def last_error_line(log: str) -> str | None:
    """Return the last line that names an error of its own, else the last line at all; None: the log is empty.

    What only says that something else failed is taken where there is nothing better.
    """
    lines = [_clean(line) for line in log.splitlines() if not _HARMLESS.search(line)]
    errors = [line for line in lines if _ERROR_LINE.search(line)]
    causes = [line for line in errors if not _WRAPPERS.search(line)]
    return (causes or errors)[-1] if errors else last_line(log)


def last_line(log: str) -> str | None:
    """Return the last line that is not empty, without the log's own prefix."""
    lines = [line for line in log.splitlines() if line.strip()]
    return _clean(lines[-1]) if lines else None


def _clean(line: str) -> str:
    previous = None
    while line != previous:
        previous, line = line, _LOG_PREFIX.sub("", line.strip())
    return _PYDANTIC_TAIL.sub("", line)[:MAX_EVIDENCE]
