"""Small blocking requests to servers, outside of every measurement.

The other side may answer anything, or nothing: whatever happens, a Reply says it.
"""

import contextlib
import http.client
import queue
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3

PIECE_BYTES = 1 << 16
WATCH_INTERVAL_S = 0.2
MAX_BODY_BYTES = 1 << 26  # /metrics of a large server has some megabytes
NO_ANSWER = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)
"""What a request may raise, whatever the other side does: reading a body piece by piece leaves the first of them."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: status and body; or no status, and the reason."""

    status: int | None
    body: bytes
    failure: str | None = None
    """Why there is no answer; None: there is one, whatever its status."""
    location: str | None = None
    """Where a redirect points. It is not followed, since a key belongs to the address that it was given for."""

    @property
    def ok(self) -> bool:
        """Whether the status is 200."""
        return self.status == 200


def get(url: str, timeout_s: float) -> Reply:
    """Send GET and return what came back within timeout_s, counted from the first step to the last byte."""
    return _send("GET", url, timeout_s)


def post(
    url: str,
    body: Any,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    watch: Callable[[], None] = lambda: None,
) -> Reply:
    """Send POST with a JSON body and return what came back within timeout_s, counted to the last byte.

    watch: called several times a second while there is no answer; what it raises ends the wait.
    """
    return _send("POST", url, timeout_s, watch, json=body, headers=headers)


def _send(method: str, url: str, timeout_s: float, watch: Callable[[], None] = lambda: None, **content: Any) -> Reply:
    """Send a request in a thread of its own: a server that drips headers, a byte a second, defeats any other limit."""
    replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    deadline_s = time.monotonic() + timeout_s
    threading.Thread(
        target=lambda: replies.put(_reply(method, url, timeout_s, deadline_s, content)), daemon=True
    ).start()
    while (left_s := deadline_s - time.monotonic()) > 0:
        with contextlib.suppress(queue.Empty):
            return replies.get(timeout=min(left_s, WATCH_INTERVAL_S))
        watch()
    return _too_slow(timeout_s)


def _reply(method: str, url: str, timeout_s: float, deadline_s: float, content: Mapping[str, Any]) -> Reply:
    try:
        with requests.Session() as session:
            session.trust_env = False  # neither a proxy nor a .netrc of the environment comes between
            # The authorities that the load generator trusts, SSL_CERT_FILE's among them, not those of a package.
            session.verify = ssl.get_default_verify_paths().cafile or True
            with session.request(
                method, url, timeout=timeout_s, stream=True, allow_redirects=False, **content
            ) as response:
                return _whole(response, timeout_s, deadline_s)
    except requests.Timeout:
        return _too_slow(timeout_s)
    except NO_ANSWER as error:
        return Reply(None, b"", _root_cause(error))


def _whole(response: requests.Response, timeout_s: float, deadline_s: float) -> Reply:
    body = bytearray()
    while piece := response.raw.read1(PIECE_BYTES, decode_content=True):
        body += piece
        if time.monotonic() > deadline_s:
            return _too_slow(timeout_s)
        if len(body) > MAX_BODY_BYTES:
            return Reply(None, b"", f"its answer is longer than {MAX_BODY_BYTES} bytes")
    return Reply(response.status_code, bytes(body), location=response.headers.get("Location"))


def _too_slow(timeout_s: float) -> Reply:
    return Reply(None, b"", f"no whole answer within {timeout_s:g} s")


def _root_cause(error: BaseException) -> str:
    """Return what happened, without the layers that wrapped it on its way."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {error}".rstrip(": ")
