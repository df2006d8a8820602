"""What is told of an instance that failed a request, whoever had asked it: the proxy, or the load generator."""

import orjson

BAD_GATEWAY = 502


class UpstreamFailed(Exception):
    """An instance refused a request or broke off.

    `status` and `body` are the answer that a client of the proxy gets.
    """

    def __init__(self, status: int, message: str, body: bytes | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = body or error_body(message, status)


def error_body(message: str, status: int) -> bytes:
    """Return the bytes of an error in OpenAI's form."""
    return orjson.dumps({"error": {"message": message, "type": "upstream_error", "code": status}})


def prefill_failed(instance: str, cause: str) -> str:
    """Return the words for a prefill instance that gave no whole answer; decode is then never asked."""
    return f"{instance}: prefill failed: {cause}"


def request_failed(instance: str, cause: str) -> str:
    """Return the words for an instance that was to stream and began no answer."""
    return f"{instance}: request failed: {cause}"


def broke_off(instance: str, cause: str) -> str:
    """Return the words for an instance that ended a stream before its end."""
    return f"{instance} broke off: {cause}"
