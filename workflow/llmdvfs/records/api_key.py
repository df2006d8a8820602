"""API key of somebody else's endpoint: the one variable it comes from, and how it is kept out of everything else."""

import os

from llmdvfs.errors import ConfigError

API_KEY_VARIABLE = "LLMDVFS_API_KEY"
REDFISH_PASSWORD_VARIABLE = "LLMDVFS_REDFISH_PASSWORD"
"""Of a management controller that tells the power of a host."""
NOT_FOR_SERVERS = (API_KEY_VARIABLE, REDFISH_PASSWORD_VARIABLE)
MIN_SECRET_LENGTH = 8  # a shorter key ("EMPTY", "none") protects nothing, and its letters occur in any answer


def api_key(variable: str = API_KEY_VARIABLE) -> str | None:
    """Return the key that the environment variable holds; None where it is unset.

    ConfigError, which does not show the key, where it has characters that no HTTP header may hold: a line end, for
    instance, with which a key that was read from a file would begin a header of its own.
    """
    key = os.environ.get(variable) or None
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"{variable}: the key has a character that cannot be sent (its value is not shown); expected printable "
            f"ASCII in one line; export it without the line end, as in `export {variable}=$(cat key.txt)`"
        )
    return key


def key_variable(device: str) -> str | None:
    """Return the name of the variable whose key requests to a deployment carry; None where they carry none.

    device: that of the deployment. The key is for an `external` endpoint alone; servers of this host are never shown
    it. ConfigError as for `api_key`.
    """
    return API_KEY_VARIABLE if device == "external" and api_key() is not None else None


def redacted(said: bytes, key: str | None) -> bytes:
    """Return the bytes that an endpoint sent with every copy of the key overwritten; the length stays the same."""
    if key is None or len(key) < MIN_SECRET_LENGTH:
        return said
    return said.replace(key.encode(), b"*" * len(key))
