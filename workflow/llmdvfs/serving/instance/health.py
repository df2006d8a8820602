"""Waits until servers are ready, that is, say so and have answered one real request."""

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llmdvfs.errors import MISREAD, ServerNotReady
from llmdvfs.records.api_key import API_KEY_VARIABLE, redacted
from llmdvfs.records.spec import Endpoint
from llmdvfs.serving.instance.diagnosis import last_line
from llmdvfs.serving.instance.http import Reply, get, post
from llmdvfs.serving.part import Server

POLL_INTERVAL_S = 0.2
PROGRESS_INTERVAL_S = 15.0
HEALTH_LIMIT_S = 2.0
FIRST_ANSWER_LIMIT_S = 120.0  # a first request may compile kernels
PROMPT_WORDS = 60  # more than one block of KV cache, so that a transfer is part of it
NUM_TOKENS = 2
PATHS: dict[Endpoint, str] = {"completions": "/v1/completions", "chat": "/v1/chat/completions"}
TLS_REMEDIES = {
    "CERTIFICATE_VERIFY_FAILED": ": name a file with the certificate of its authority in SSL_CERT_FILE",
    "WRONG_VERSION_NUMBER": ": it does not speak TLS; give base_url with http://",
    "RECORD_LAYER_FAILURE": ": it does not speak TLS; give base_url with http://",
}
"""What to do about a failed handshake, by what OpenSSL calls it."""

Say = Callable[[str], None]


def wait_healthy(servers: Mapping[str, Server], limit_s: float, say: Say) -> dict[str, float]:
    """Wait until every server's /health answers 200; return server's name -> seconds that it took to start.

    servers: base URL -> process. limit_s: after which the wait ends. ServerNotReady says why one ended, healthy already
    or not, or what it was doing when the time was over.
    """
    begin = time.monotonic()
    next_progress = begin + PROGRESS_INTERVAL_S
    took: dict[str, float] = {}
    doing: dict[str, str] = {}
    while len(took) < len(servers):
        check_alive([server for server in servers.values() if server.name in took])
        for url, server in servers.items():
            if server.name in took:
                continue
            if server.exit_code() is not None or server.engine_failed_to_start():
                raise ServerNotReady(f"{server.name} did not start: {server.cause_of_death()}")
            reply = get(f"{url}/health", HEALTH_LIMIT_S)
            doing[server.name] = _doing(server, reply)
            if reply.ok:
                took[server.name] = time.monotonic() - server.started_s
                server.note_family()
        waiting = [server for server in servers.values() if server.name not in took]
        now = time.monotonic()
        if waiting and now - begin > limit_s:
            raise ServerNotReady(_too_late(waiting, doing, limit_s))
        if waiting and now > next_progress:
            next_progress = now + PROGRESS_INTERVAL_S
            for server in waiting:
                say(f"{server.name}: {doing[server.name]}")
        if waiting:
            time.sleep(POLL_INTERVAL_S)
    return took


def check_alive(ready: Sequence[Server]) -> None:
    """Raise ServerNotReady where a server that had been healthy, or its engine, has ended; it takes microseconds."""
    for server in ready:
        if server.is_dead():
            raise ServerNotReady(
                f"{server.name} was healthy and ended before the deployment served: {server.cause_of_death()}"
            )


def first_answers(
    base_url: str,
    model: str,
    count: int,
    api_key: str | None = None,
    ready: Sequence[Server] = (),
    endpoint: Endpoint = "completions",
) -> None:
    """Send `count` real requests one after another; ServerNotReady where one is not answered with a token.

    ready: servers that are watched meanwhile; where one of them ends, ServerNotReady tells of that. endpoint: which of
    the two kinds is asked.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    for _ in range(count):
        url = f"{base_url}{PATHS[endpoint]}"
        reply = post(
            url, first_request(model, endpoint), FIRST_ANSWER_LIMIT_S, headers, watch=lambda: check_alive(ready)
        )
        check_first_answer(url, reply, model, ready, api_key)


def check_first_answer(url: str, reply: Reply, model: str, ready: Sequence[Server], api_key: str | None = None) -> None:
    """Raise ServerNotReady where what came from a server is no answer with a token.

    ready: servers whose death, where one has died, is what to tell.
    """
    if not _has_token(reply):
        check_alive(ready)  # a proxy whose instance has died answers 502
        raise ServerNotReady(
            f"{url} did not answer a first request: {what_came(reply, api_key)}; "
            f"expected a completion of model {model!r}"
        )


def first_request(model: str, endpoint: Endpoint) -> dict[str, Any]:
    """Return a request with every field that measured ones have, so that one that is refused is known at once."""
    words = " ".join(f"{uuid.uuid4().hex[:4]}" for _ in range(PROMPT_WORDS))
    asked: dict[str, Any] = {"prompt": words, "max_tokens": NUM_TOKENS}
    if endpoint == "chat":
        asked = {"messages": [{"role": "user", "content": words}], "max_completion_tokens": NUM_TOKENS}
    fixed_length = {"min_tokens": NUM_TOKENS, "ignore_eos": True, "return_token_ids": True}
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    return {"model": model, **asked, "temperature": 0, **fixed_length, **streamed}


def what_came(reply: Reply, api_key: str | None = None) -> str:
    """Return in words what a server sent, and where possible what to do about it."""
    if reply.failure is not None:
        return reply.failure + next((todo for seen, todo in TLS_REMEDIES.items() if seen in reply.failure), "")
    seen = f"status {reply.status}, {redacted(reply.body, api_key)[:500].decode('utf-8', errors='replace')!r}"
    if reply.location is not None:
        return f"{seen}: a redirect to {reply.location!r}, which is not followed; give the final address as base_url"
    if reply.status in (401, 403):
        return f"{seen}: set the environment variable {API_KEY_VARIABLE} to a key that the endpoint accepts"
    if reply.status in (404, 405):
        return f"{seen}: where it has only the other kind of endpoint, set workloads.NAME.endpoint to that"
    if reply.status in (400, 422):
        return f"{seen}: it has to take min_tokens and ignore_eos, or to pass over them, for answers of a known length"
    return seen


def _has_token(reply: Reply) -> bool:
    lines = [line.removeprefix(b"data:") for line in reply.body.splitlines() if line.startswith(b"data:")]
    return reply.ok and any(_says_token(line) for line in lines)


def _says_token(event: bytes) -> bool:
    """Whether an event counts a token, or has text: not every server counts."""
    try:
        said = json.loads(event)
        counted = (said.get("usage") or {}).get("completion_tokens") or 0
        return counted > 0 or any(_text_of(choice) for choice in said.get("choices") or ())
    except MISREAD:
        return False


def _text_of(choice: Mapping[str, Any]) -> Any:
    """Return the text of a completion's choice, or of a chat's, which may be a thought."""
    said = choice.get("delta") or {}
    return choice.get("text") or said.get("content") or said.get("reasoning_content") or said.get("reasoning")


def _too_late(waiting: Sequence[Server], doing: Mapping[str, str], limit_s: float) -> str:
    seen = "; ".join(f"{server.name}: {doing[server.name]}, see {server.log}" for server in waiting)
    return (
        f"not ready after {limit_s:.0f} s: {seen}; raise serving.startup_timeout_s if it was still loading, "
        "else look into the log"
    )


def _doing(server: Server, health: Reply) -> str:
    """Return in words what a server does until it is healthy: a proxy names the instances that it waits for."""
    if health.status is None:
        said = last_line(server.log_tail()) or "nothing yet"
        return f"starting for {time.monotonic() - server.started_s:.0f} s; last said: {said}"
    try:
        waits_for = [name for name, state in json.loads(health.body)["instances"].items() if state != "ok"]
    except MISREAD:
        return f"/health answered {health.status}"
    return f"is up and waits for {', '.join(waits_for)}"
