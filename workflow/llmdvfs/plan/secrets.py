"""Refuses keys and passwords in a configuration, since all of it is stored with the results; none is shown."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from llmdvfs.records.api_key import API_KEY_VARIABLE

SECRET = re.compile(r"(^|[_-])(api[_-]?key|key|token|secret|password|passwd|credentials?)$", re.IGNORECASE)


def secrets(config: Mapping[str, Any]) -> list[str]:
    """Return one line for every place that holds a secret or looks like one: which place, and where it belongs."""
    found = [
        f"{key}: a key does not belong in a configuration, which is kept with the results (its value is not shown): "
        f"expected it in the environment; `export {API_KEY_VARIABLE}=...` for an endpoint"
        for key in config
        if isinstance(key, str) and SECRET.search(key)
    ]
    serving = config.get("serving")
    return [*found, *(_in_serving(serving, "serving") if isinstance(serving, Mapping) else ())]


def _in_serving(given: Mapping[Any, Any], place: str) -> Iterator[str]:
    for key, value in given.items():
        where = f"{place}.{key}"
        if isinstance(value, Mapping):
            yield from _in_serving(value, where)
        elif isinstance(key, str) and SECRET.search(key):
            yield (
                f"{where}: does not belong in a configuration, which is kept with the results (its value is not "
                "shown): expected it in the environment, which servers inherit; "
                f"`export {API_KEY_VARIABLE}=...` for an endpoint"
            )
        elif key == "extra_args" and isinstance(value, Sequence):
            yield from (f"{where}: {flag}: {_NOT_ON_A_COMMAND_LINE}" for flag in map(_flag, value) if flag)
        elif key == "base_url" and isinstance(value, str) and _carries_secret(value):
            yield (
                f"{where}: a user name, password or query in a URL is kept with the results (not shown): "
                f"expected scheme, host and port; `export {API_KEY_VARIABLE}=...` for the endpoint's key"
            )


_NOT_ON_A_COMMAND_LINE = (
    "a secret on a command line is kept with the results and seen by every user of the host (not shown): expected it "
    "in the environment, which servers inherit, as VLLM_API_KEY"
)


def _flag(argument: Any) -> str | None:
    """Return the name of a flag that takes a secret."""
    flag = str(argument).partition("=")[0]
    return flag if flag.startswith("--") and SECRET.search(flag) else None


def _carries_secret(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False  # no URL at all; the schema says so
    return "@" in parts.netloc or bool(parts.query)
