"""Every error this library raises on purpose; `__main__` turns them into one message and an exit code."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What steers a terminal; lines and tabs may stand in a message."""
MAX_NAME = 300  # characters of a file's name in a message: a damaged list may name what is megabytes long
MISREAD = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
"""What looking for a value in JSON of somebody else's making may raise: another type, no such key, brackets without
end, a number beyond all floats."""
LIBRARY = str(Path(__file__).parent)
FREE_SPACE, MAY_WRITE = "free some space", "make it writable for this user"
DISK_ADVICE = {
    errno.ENOSPC: FREE_SPACE,
    errno.EDQUOT: FREE_SPACE,
    errno.EFBIG: "raise the limit of the size of files (`ulimit -f`)",
    errno.EROFS: "mount it writable, or name another folder",
    errno.EACCES: MAY_WRITE,
    errno.EPERM: MAY_WRITE,
}
"""What to do where a file cannot be written, by the number of the error."""


class LlmDvfsError(Exception):
    """Root of all errors that this library raises on purpose.

    The message says what failed, the value seen, what was expected and what to do.
    """

    def __str__(self) -> str:
        """Return the message, with control characters written out: parts of it may be an endpoint's words."""
        return CONTROL.sub(lambda found: repr(found[0])[1:-1], super().__str__())


def in_full(error: BaseException) -> str:
    """Return an error's message, and the notes that were added to it while it was passed up, as one line of text."""
    return "; ".join([str(error), *getattr(error, "__notes__", ())])


class ConfigError(LlmDvfsError):
    """The configuration, or a combination in it, cannot be run."""


class ServerNotReady(LlmDvfsError):
    """A server did not start, or did not answer in time."""


class ServerDied(LlmDvfsError):
    """A server that had been ready ended, or stopped producing tokens, under load."""


class DiskError(LlmDvfsError):
    """A file cannot be written: the disk is full, or not writable."""

    @classmethod
    def of(cls, error: OSError) -> "DiskError | None":
        """Return the DiskError that tells of a full or unwritable disk; None where the error has another cause."""
        if (advice := DISK_ADVICE.get(error.errno or 0)) is None:
            return None
        return cls(
            f"{_name(error) or 'a file'} cannot be written: {error.strerror}; {advice}, and run again: what was "
            "finished before is kept"
        )


def told_of(error: OSError) -> str:
    """Return a sentence that says what the operating system refused, and what to do about it."""
    if (full := DiskError.of(error)) is not None:
        return str(full)
    return f"{_name(error) or 'the system'}: {error.strerror or error}; put it right, and run again"


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an OSError of this block name a file: the system names none for a full disk, or a draft's."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _name(error: OSError) -> str:
    name = str(error.filename or "")
    return name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}..."


class DataError(LlmDvfsError):
    """A data set, a trace or a prompt file is missing or damaged."""


class TelemetryError(LlmDvfsError):
    """The telemetry sampler failed, or a device was lost."""


class TelemetryGap(LlmDvfsError):
    """A window has too few samples for anything to be said about it."""


class ClockControlError(LlmDvfsError):
    """A clock or a power limit could not be set, verified or restored."""


class GpusNotRestored(ClockControlError):
    """A GPU could not be brought back to how it was found.

    Nothing more may be measured before somebody has done that by hand.
    """


class MeasuringFailed(LlmDvfsError):
    """A run of Snakemake that was started to measure something ended with an error."""


class SearchStalled(LlmDvfsError):
    """A round of a search was to be measured, and not one of its cells was."""


class LockError(LlmDvfsError):
    """The file that lies under a lock's name cannot be used as a lock."""


class SchemaError(LlmDvfsError):
    """A file does not have the schema or the version that its reader accepts."""


@contextmanager
def input_boundary(what: str) -> Iterator[None]:
    """Turn whatever an input provokes in this block into a DataError that names it; errors of the tree pass.

    Files are checked as they are read, but not whether their numbers make sense together: a damaged file may end a
    calculation anywhere. Where it did is told, since with sound input it is a fault of this program.
    """
    try:
        yield
    except (LlmDvfsError, OSError):
        raise
    except Exception as error:
        own = [frame for frame in extract_tb(error.__traceback__) if frame.filename.startswith(LIBRARY)]
        place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "outside of this library"
        raise DataError(
            f"{what}: cannot be made sense of: {type(error).__name__}: {' '.join(str(error).split())[:200]} ({place}); "
            "expected files as they were written. Put them back, or make or measure them again; if they are as they "
            "were, report this line"
        ) from error
