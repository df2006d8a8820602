"""The bytes of a request."""

import json

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.load.schedule.plan import PlannedRequest
from llmdvfs.load.wire.request import render_request, target


def parse(rendered: bytes) -> tuple[str, dict[str, str], dict[str, object]]:
    head, _, body = rendered.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(headers["Content-Length"]) == len(body)
    return first, headers, json.loads(body)


def test_completion() -> None:
    planned = PlannedRequest(0, None, None, [5, 6, 7], None, 9)
    to = target("http://127.0.0.1:8000", endpoint="completions", model="tiny", api_key="secret")
    first, headers, body = parse(render_request(planned, to, "abc"))
    assert first == "POST /v1/completions HTTP/1.1"
    assert (headers["Host"], headers["X-Request-Id"]) == ("127.0.0.1:8000", "abc")
    assert headers["Authorization"] == "Bearer secret"
    assert (body["model"], body["prompt"], body["max_tokens"], body["min_tokens"]) == ("tiny", [5, 6, 7], 9, 9)


def test_chat() -> None:
    planned = PlannedRequest(0, None, None, None, "你好", 9)
    to = target("http://[::1]:80/gateway/v1/", endpoint="chat", model="tiny", api_key=None)
    first, headers, body = parse(render_request(planned, to, "abc"))
    assert first == "POST /gateway/v1/chat/completions HTTP/1.1"
    assert headers["Host"] == "[::1]:80"
    assert "Authorization" not in headers
    assert body["messages"] == [{"role": "user", "content": "你好"}]
    assert body["max_completion_tokens"] == 9


def test_ports_of_schemes() -> None:
    assert target("https://host", endpoint="chat", model="m", api_key=None).port == 443
    assert target("http://host/v1", endpoint="chat", model="m", api_key=None).port == 80


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://"])
def test_not_a_base_url(url: str) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        target(url, endpoint="chat", model="m", api_key=None)
