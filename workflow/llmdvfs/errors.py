"""Every error this library raises on purpose; `__main__` turns them into one message and an exit code."""

import errno

DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


class LlmDvfsError(Exception):
    """Root of the tree. The message says what failed, the value seen, what was expected and what to do."""


def in_full(error: BaseException) -> str:
    """Return an error's message and the notes that were added to it on its way, in one line."""
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
        """Return what to tell of an error of the operating system; None where it is about something else."""
        if error.errno not in DISK_ERRNOS:
            return None
        return cls(
            f"{error.filename or 'a file'} cannot be written: {error.strerror}; free some space or make the folder "
            "writable, and run again: what was finished before is kept"
        )


class DataError(LlmDvfsError):
    """A data set, a trace or a prompt file is missing or damaged."""


class TelemetryError(LlmDvfsError):
    """The telemetry sampler failed, or a device was lost."""


class TelemetryGap(LlmDvfsError):
    """Too few samples in a window to say anything about it."""


class ClockControlError(LlmDvfsError):
    """A clock or a power limit could not be set, verified or restored."""


class GpusNotRestored(ClockControlError):
    """A GPU could not be brought back to how it was found: nothing more may be measured before that is done by hand."""


class MeasuringFailed(LlmDvfsError):
    """A run of Snakemake that was to measure something ended with an error."""


class SearchStalled(LlmDvfsError):
    """A round of a search was to be measured, and nothing of it was."""


class LockError(LlmDvfsError):
    """What lies under the name of a lock file cannot be used as one."""


class SchemaError(LlmDvfsError):
    """A file does not have the schema or the version that its reader accepts."""
