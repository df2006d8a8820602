"""Small blocking requests to servers on this host."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

# Servers on this host are never reached through a proxy that the environment names.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body; status None: no answer, and the body says why."""

    status: int | None
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is 200."""
        return self.status == 200


def get(url: str, timeout_s: float) -> Answer:
    """Send GET."""
    return _send(urllib.request.Request(url), timeout_s)


def post(url: str, body: Any, timeout_s: float, headers: dict[str, str] | None = None) -> Answer:
    """Send POST with a JSON body."""
    headers = {"Content-Type": "application/json"} | (headers or {})
    return _send(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout_s)


def _send(request: urllib.request.Request, timeout_s: float) -> Answer:
    try:
        with _OPENER.open(request, timeout=timeout_s) as response:
            return Answer(response.status, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read())
    except (OSError, ValueError) as error:  # refused, reset, timed out, not HTTP
        return Answer(None, str(error).encode())
