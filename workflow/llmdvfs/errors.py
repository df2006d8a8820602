"""Every error this library raises on purpose; `__main__` turns them into one message and an exit code."""


class LlmDvfsError(Exception):
    """Root of the tree. The message says what failed, the value seen, what was expected and what to do."""


class ConfigError(LlmDvfsError):
    """The configuration, or a combination in it, cannot be run."""


class ServerNotReady(LlmDvfsError):
    """A server did not start, or did not answer in time."""


class ServerDied(LlmDvfsError):
    """A server that had been ready ended, or stopped producing tokens, under load."""


class DataError(LlmDvfsError):
    """A data set, a trace or a prompt file is missing or damaged."""


class TelemetryError(LlmDvfsError):
    """The telemetry sampler failed, or a device was lost."""


class TelemetryGap(LlmDvfsError):
    """Too few samples in a window to say anything about it."""


class ClockControlError(LlmDvfsError):
    """A clock or a power limit could not be set, verified or restored."""


class SchemaError(LlmDvfsError):
    """A file does not have the schema or the version that its reader accepts."""
