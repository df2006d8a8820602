"""Renders a request to the bytes that are written when it is due (pure)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec
import orjson

from llmdvfs.connectors.connector import Body
from llmdvfs.errors import ConfigError
from llmdvfs.load.schedule.plan import PlannedRequest

_PATHS = {"completions": "/completions", "chat": "/chat/completions"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and what is the same in all of them."""

    host: str
    port: int
    tls: bool
    path: str
    model: str
    endpoint: str
    api_key: str | None


def target(base_url: str, *, endpoint: str, model: str, api_key: str | None) -> Target:
    """Return the target of `http[s]://host[:port][/prefix][/v1]`."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise ConfigError(f"base_url {base_url!r} is not http[s]://host[:port]; expected e.g. 'http://127.0.0.1:8000'")
    tls = parts.scheme == "https"
    prefix = parts.path.rstrip("/").removesuffix("/v1")
    path = f"{prefix}/v1{_PATHS[endpoint]}"
    return Target(parts.hostname, parts.port or (443 if tls else 80), tls, path, model, endpoint, api_key)


def at_address(to: Target, base_url: str) -> Target:
    """Return the target of the same requests at another address."""
    return target(base_url, endpoint=to.endpoint, model=to.model, api_key=to.api_key)


def render_request(planned: PlannedRequest, to: Target, request_id: str) -> bytes:
    """Return the bytes of the whole HTTP request: greedy, of fixed length, streamed, with usage and token ids."""
    content = orjson.dumps(request_body(planned, to))
    return request_head(to, request_id, len(content)) + content


def request_head(to: Target, request_id: str, num_bytes: int) -> bytes:
    """Return everything of a request before its body, which has so many bytes."""
    host = f"[{to.host}]" if ":" in to.host else to.host
    lines = [
        f"POST {to.path} HTTP/1.1",
        f"Host: {host}:{to.port}",
        "Content-Type: application/json",
        "Accept: text/event-stream",
        "Accept-Encoding: identity",  # compressed, tokens would wait for one another; without this line any may come
        f"X-Request-Id: {request_id}",
        f"Content-Length: {num_bytes}",
    ]
    if to.api_key is not None:
        lines.append(f"Authorization: Bearer {to.api_key}")
    return "\r\n".join([*lines, "", ""]).encode()


def request_body(planned: PlannedRequest, to: Target) -> Body:
    """Return what is asked."""
    length = planned.num_output_tokens
    if to.endpoint == "chat":
        asked = {
            "messages": [{"role": "user", "content": planned.prompt_text}],
            "max_completion_tokens": length,
        }
    else:
        asked = {
            "prompt": planned.prompt_text if planned.prompt_ids is None else planned.prompt_ids,
            "max_tokens": length,
        }
    return {
        "model": to.model,
        **asked,
        "min_tokens": length,
        "ignore_eos": True,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
    }


def with_fixed_prompt(body: Body) -> Body:
    """Return the body with its prompt as JSON already: a request made of it later costs a copy of the prompt."""
    name = "messages" if "messages" in body else "prompt"
    return body | {name: msgspec.Raw(orjson.dumps(body[name]))}
