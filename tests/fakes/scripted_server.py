"""A server that answers each request with a script: bytes to write, seconds to wait, or an abrupt end."""

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

RESET = "reset"  # close with a TCP reset
CLOSE = "close"  # close in good order
HANG = "hang"  # say nothing more until the client goes away

Action = bytes | float | str
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


@dataclass
class Asked:
    """One request as the server got it."""

    number: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


Script = Callable[[Asked], Iterable[Action]]


def chunk(*events: bytes) -> bytes:
    """Return one HTTP chunk that holds these events."""
    data = b"".join(events)
    return b"%x\r\n%s\r\n" % (len(data), data)


def token(
    text: str = " a", *, ids: list[int] | None = None, finish: str | None = None, usage: dict[str, int] | None = None
) -> bytes:
    """Return a completions event."""
    choice = {"index": 0, "text": text, "finish_reason": finish} | ({} if ids is None else {"token_ids": ids})
    return data({"choices": [choice]} | ({} if usage is None else {"usage": usage}))


def delta(finish: str | None = None, **fields: Any) -> bytes:
    """Return a chat event."""
    return data({"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]})


def usage(num_output: int, num_prompt: int = 8, **more: Any) -> bytes:
    """Return the last event of a stream with include_usage: no choices."""
    return data({"choices": [], "usage": {"prompt_tokens": num_prompt, "completion_tokens": num_output, **more}})


def data(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


@contextmanager
def scripted_server(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve on a loopback port and yield the base URL."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    stop = threading.Event()
    numbers = iter(range(1_000_000))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                while (asked := _read(reader, numbers)) is not None:
                    for action in script(asked):
                        if not _act(connection, action, stop):
                            return
            except OSError:
                return  # the client went away

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _read(reader: Any, numbers: Iterator[int]) -> Asked | None:
    line = reader.readline()
    if not line:
        return None
    headers = {}
    while (header := reader.readline().strip()) != b"":
        name, _, value = header.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Asked(next(numbers), line.split()[1].decode(), headers, json.loads(body) if body else {})


def _act(connection: socket.socket, action: Action, stop: threading.Event) -> bool:
    """Carry out one action; False ends the connection."""
    if isinstance(action, bytes):
        connection.sendall(action)
    elif isinstance(action, float):
        time.sleep(action)
    elif action == HANG:
        stop.wait()
        return False
    else:
        if action == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    return True
