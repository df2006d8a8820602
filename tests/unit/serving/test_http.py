"""Small requests to servers that answer anything: one reply or one reason, in time, and the key goes nowhere else."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmdvfs.errors import ConfigError, ServerNotReady
from llmdvfs.records.api_key import API_KEY_VARIABLE, api_key, key_variable, redacted
from llmdvfs.serving.instance.health import first_answers
from llmdvfs.serving.instance.http import get, post

OK = b"HTTP/1.1 200 OK\r\n"
KEY = "sk-0123456789"
Serve = Callable[[socket.socket], None]


@contextmanager
def server(serve: Serve) -> Iterator[tuple[str, list[bytes]]]:
    """Serve each connection in a thread; yields the base URL and what was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer(connection: socket.socket) -> None:
            with connection:
                asked.append(connection.recv(1 << 16))
                with contextlib.suppress(OSError):  # the client did not wait
                    serve(connection)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def saying(said: bytes) -> Serve:
    return lambda connection: connection.sendall(said)


def dripping(head: bytes, drop: bytes) -> Serve:
    def serve(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            time.sleep(0.05)
            connection.sendall(drop)

    return serve


def test_status_and_body() -> None:
    with server(saying(OK + b"Content-Length: 2\r\n\r\nhi")) as (url, asked):
        reply = post(f"{url}/v1/completions", {"a": 1}, 2.0, {"Authorization": f"Bearer {KEY}"})
    assert (reply.status, reply.body, reply.failure) == (200, b"hi", None)
    assert f"Authorization: Bearer {KEY}".encode() in asked[0]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "BadStatusLine"),
        (b"", "RemoteDisconnected"),
        (OK + b"Content-Length: 9\r\n\r\nhi", "IncompleteRead"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n", "ValueError|InvalidChunkLength|IncompleteRead"),
        (OK + b"X: " + b"x" * 70_000 + b"\r\n\r\n", "LineTooLong"),
        (OK + b"X: 1\r\n" * 200 + b"\r\n", "more than 100 headers"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi", "zlib|decod|incorrect header"),
    ],
)
def test_whatever_is_said_there_is_a_reason(said: bytes, reason: str) -> None:
    """BadStatusLine and IncompleteRead are no OSErrors: they ended a study with a traceback."""
    with server(saying(said)) as (url, _):
        reply = get(url, 2.0)
    assert reply.status is None
    assert re.search(reason, reply.failure or ""), reply.failure


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.binary(max_size=200), with_head=st.booleans())
def test_any_bytes_are_a_reply_or_a_reason(said: bytes, with_head: bool) -> None:
    with server(saying(OK * with_head + said)) as (url, _):
        reply = get(url, 2.0)
    assert (reply.status is None) == (reply.failure is not None)


def test_nobody_there() -> None:
    assert "refused" in (get("http://127.0.0.1:9/", 1.0).failure or "")


@pytest.mark.parametrize(
    "serve",
    [
        dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"7\r\n: ping\n\r\n"),
        dripping(OK + b"Content-Length: 1000000\r\n\r\n", b"x"),
        dripping(OK, b"x"),  # a header without an end
    ],
)
def test_an_answer_that_drips_ends(serve: Serve) -> None:
    """The limit held for every read by itself: with one ping a second, the first answer was awaited for ever."""
    with server(serve) as (url, _):
        begin = time.monotonic()
        reply = get(url, 0.4)
        assert time.monotonic() - begin < 2.0
    assert reply.failure == "no whole answer within 0.4 s"


def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else() -> None:
    with server(saying(OK + b"Content-Length: 0\r\n\r\n")) as (other, asked_there):
        redirect = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {other}/v1\r\nContent-Length: 0\r\n\r\n"
        with (
            server(saying(redirect.encode())) as (url, asked),
            pytest.raises(ServerNotReady, match=r"a redirect to 'http://127\.0\.0\.1:\d+/v1', which is not followed"),
        ):
            first_answers(url, "m", 1, KEY)
    assert KEY.encode() in asked[0]
    assert asked_there == []


def test_a_refusal_names_the_variable_and_not_the_key() -> None:
    body = f'{{"error": "invalid key {KEY}"}}'.encode()
    refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with server(saying(refusal)) as (url, _), pytest.raises(ServerNotReady) as raised:
        first_answers(url, "m", 1, KEY)
    assert KEY not in str(raised.value)
    assert f"set the environment variable {API_KEY_VARIABLE}" in str(raised.value)


def test_an_endpoint_that_refuses_connections_is_not_called_healthy() -> None:
    with pytest.raises(ServerNotReady, match=r"did not answer a first request: ConnectionRefusedError") as raised:
        first_answers("http://127.0.0.1:9", "m", 1)
    assert "healthy" not in str(raised.value)


def test_a_key_with_a_line_end_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, f"{KEY}\n")
    with pytest.raises(ConfigError) as raised:
        api_key()
    assert KEY not in str(raised.value)


def test_the_key_is_not_sent_to_servers_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was in every request of every study, once it had been exported for an endpoint."""
    monkeypatch.setenv(API_KEY_VARIABLE, KEY)
    assert [key_variable(device) for device in ("external", "cpu", "cuda")] == [API_KEY_VARIABLE, None, None]
    monkeypatch.delenv(API_KEY_VARIABLE)
    assert key_variable("external") is None


def test_a_key_is_made_unreadable_and_a_placeholder_left_alone() -> None:
    assert redacted(b"Bearer sk-0123456789!", KEY) == b"Bearer *************!"
    assert redacted(b"EMPTY", "EMPTY") == b"EMPTY"
    assert redacted(b"any", None) == b"any"
