"""Draws token counts from a LengthSpec."""

from random import Random
from typing import TypeVar

from llmdvfs.errors import ConfigError
from llmdvfs.records.spec import LengthSpec

T = TypeVar("T", int, float)


def draw_length(spec: LengthSpec, rng: Random, data_length: int | None = None) -> int:
    """Return one token count, 1 at least, in the range from `low` to `high` where these are set.

    data_length: what the trace or the data set says for this request; kind `trace` takes it.
    """
    if spec.kind == "fixed":
        length = _needed(spec, "value", spec.value)
    elif spec.kind == "uniform":
        length = rng.randint(_needed(spec, "low", spec.low), _needed(spec, "high", spec.high))
    elif spec.kind == "normal":
        length = round(rng.gauss(_needed(spec, "mean", spec.mean), _needed(spec, "sd", spec.sd)))
    elif data_length is not None:
        length = data_length
    else:
        raise ConfigError(
            "length kind 'trace' takes the lengths of a trace or of a data set's answers; this workload has neither: "
            "set arrival.kind to 'trace', or a length kind of fixed, uniform or normal"
        )
    if spec.low is not None:
        length = max(length, spec.low)
    if spec.high is not None:
        length = min(length, spec.high)
    return max(length, 1)


def _needed(spec: LengthSpec, name: str, value: T | None) -> T:
    if value is None:
        raise ConfigError(f"length kind {spec.kind!r} needs {name!r}; seen {spec}")
    return value
