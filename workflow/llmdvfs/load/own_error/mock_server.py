"""An OpenAI server without a model: tokens at known times, and a log of when each one really went out.

One thread and epoll, no event loop of anybody else: the instrument and its standard share no code. Tokens go out as an
engine's do, in steps: every `gap_s` one token to each running stream, all in a burst; a stream whose client does not
keep up and lets its socket fill waits. Requests are dated by the kernel.
"""

import select
import socket
import struct
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import CLOCK_REALTIME, clock_gettime_ns, monotonic_ns

import orjson

from llmdvfs.clock import NS_PER_S
from llmdvfs.records.load import SendRecord

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; the socket module does not name it
_TIMESPEC = struct.Struct("qq")
_READ_BYTES = 1 << 20
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@dataclass(slots=True)
class _Connection:
    """One client's connection, with what was read of its request and what is still to be sent."""

    sock: socket.socket
    received: bytes = b""
    received_mono_ns: int = 0
    unsent: bytes = b""


@dataclass(slots=True)
class _Stream:
    """One answer that is being streamed."""

    connection: _Connection
    request_id: str | None
    received_mono_ns: int
    first_due_mono_ns: int
    num_left: int
    is_chat: bool
    num_prompt_tokens: int
    num_tokens: int
    sent_mono_ns: "array[int]" = field(default_factory=lambda: array("q"))


class MockServer:
    """Serves /v1/completions and /v1/chat/completions until `stop` is set."""

    def __init__(
        self, *, ttft_s: float, gap_s: float, tokens_per_step: int = 1, port: int = 0, host: str = "127.0.0.1"
    ) -> None:
        """Listen on a port, of loopback unless told otherwise.

        ttft_s, gap_s: times of each stream's first token and of the gaps between tokens. tokens_per_step: events that a
        stream gets at once, to offer more than the mock could send one by one.
        """
        self._tokens_per_step = tokens_per_step
        self._ttft_ns = round(ttft_s * NS_PER_S)
        self._gap_ns = round(gap_s * NS_PER_S)
        self._listener = socket.create_server((host, port), backlog=4096)
        # Connections inherit both. Over loopback the server's half of TCP runs on the client's core: the least of it.
        self._listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._connections: dict[int, _Connection] = {}
        self._running: list[_Stream] = []
        self.port: int = self._listener.getsockname()[1]
        self.log: list[SendRecord] = []
        self.stop = False

    def serve(self) -> None:
        """Serve until `stop` is set, which a signal handler may do."""
        next_step_ns = monotonic_ns()
        while not self.stop:
            wait_s = (next_step_ns - monotonic_ns()) / NS_PER_S if self._running else 0.1
            for fd, events in self._epoll.poll(max(wait_s, 0.0)):
                self._handle(fd, events)
            now = monotonic_ns()
            if now >= next_step_ns:
                self._step(now)
                # The grid stays where it is; steps that could not be held are left out, as an engine would.
                next_step_ns += self._gap_ns * ((now - next_step_ns) // self._gap_ns + 1)
        for connection in self._connections.values():
            connection.sock.close()
        self._listener.close()
        self._epoll.close()

    def _handle(self, fd: int, events: int) -> None:
        if fd == self._listener.fileno():
            self._accept()
            return
        connection = self._connections[fd]
        if events & select.EPOLLOUT:
            self._flush(connection)
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            self._read(connection)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[sock.fileno()] = _Connection(sock)
            self._epoll.register(sock, select.EPOLLIN)

    def _read(self, connection: _Connection) -> None:
        try:
            data, ancillary, _, _ = connection.sock.recvmsg(_READ_BYTES, 64)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary = b"", []
        if not data:
            self._drop(connection)
            return
        if not connection.received:
            connection.received_mono_ns = _kernel_mono_ns(ancillary)
        connection.received += data
        while (request := _cut_request(connection.received)) is not None:
            head, body, connection.received = request
            self._answer(connection, head, body)

    def _answer(self, connection: _Connection, head: bytes, body: bytes) -> None:
        method, path = head.split(b" ", 2)[:2]
        if method != b"POST":
            self._send(connection, _plain(b'{"object":"list","data":[{"id":"mock","object":"model"}]}'))
            return
        asked = orjson.loads(body)
        prompt = asked.get("prompt")
        num_tokens = asked.get("max_completion_tokens") or asked.get("max_tokens") or 16
        self._running.append(
            _Stream(
                connection,
                _header(head, b"x-request-id"),
                connection.received_mono_ns,
                connection.received_mono_ns + self._ttft_ns,
                num_tokens,
                path.endswith(b"/chat/completions"),
                len(prompt) if isinstance(prompt, list) else 1,
                num_tokens,
            )
        )
        self._send(connection, _STREAM_HEAD)

    def _step(self, now: int) -> None:
        due = [stream for stream in self._running if stream.first_due_mono_ns <= now and not stream.connection.unsent]
        self._give(due)

    def _give(self, streams: Iterable[_Stream]) -> None:
        """Send each stream the tokens of one step."""
        has_ended = False
        for stream in streams:
            num_now = min(self._tokens_per_step, stream.num_left)
            stream.num_left -= num_now
            is_last = stream.num_left == 0
            events = _EVENTS[stream.is_chat, False] * (num_now - is_last)
            if is_last:
                events += _EVENTS[stream.is_chat, True] + _tail(stream)
                has_ended = True
            stream.sent_mono_ns.extend([monotonic_ns()] * num_now)
            self._send(stream.connection, events)
        if has_ended:
            for stream in self._running:
                if stream.num_left == 0:
                    self.log.append(SendRecord(stream.request_id, stream.received_mono_ns, tuple(stream.sent_mono_ns)))
            self._running = [stream for stream in self._running if stream.num_left > 0]

    def _send(self, connection: _Connection, data: bytes) -> None:
        if connection.unsent:
            connection.unsent += data
            return
        try:
            num_sent = connection.sock.send(data)
        except BlockingIOError:
            num_sent = 0
        except OSError:  # the client has gone; its read event drops it
            return
        if num_sent < len(data):
            connection.unsent = data[num_sent:]
            self._epoll.modify(connection.sock, select.EPOLLIN | select.EPOLLOUT)

    def _flush(self, connection: _Connection) -> None:
        data, connection.unsent = connection.unsent, b""
        self._epoll.modify(connection.sock, select.EPOLLIN)
        self._send(connection, data)

    def _drop(self, connection: _Connection) -> None:
        self._running = [stream for stream in self._running if stream.connection is not connection]
        self._epoll.unregister(connection.sock)
        del self._connections[connection.sock.fileno()]
        connection.sock.close()


def _kernel_mono_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """Return when the kernel received the data; its stamp is wall time, so the clocks' offset of now is taken off."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            stamp_ns: int = seconds * NS_PER_S + nanoseconds
            return stamp_ns + _wall_to_mono_ns()
    return monotonic_ns()


def _wall_to_mono_ns() -> int:
    """Return CLOCK_MONOTONIC minus CLOCK_REALTIME, from the tightest of a few readings."""
    readings = [(monotonic_ns(), clock_gettime_ns(CLOCK_REALTIME), monotonic_ns()) for _ in range(3)]
    before, wall, after = min(readings, key=lambda reading: reading[2] - reading[0])
    return (before + after) // 2 - wall


def _cut_request(received: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return head, body and what follows; None: not all of it is there."""
    head, separator, rest = received.partition(b"\r\n\r\n")
    if not separator:
        return None
    length = int(_header(head, b"content-length") or 0)
    return None if len(rest) < length else (head, rest[:length], rest[length:])


def _header(head: bytes, name: bytes) -> str | None:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip().decode("latin-1")
    return None


def _plain(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _event(choices: list[dict[str, object]], is_chat: bool, usage: dict[str, int] | None = None) -> bytes:
    data = {
        "id": "cmpl-00000000000000000000000000000000",
        "object": "chat.completion.chunk" if is_chat else "text_completion",
        "created": 1,
        "model": "mock",
        "choices": choices,
        "usage": usage,
    }
    return b"data: " + orjson.dumps(data) + b"\n\n"


def _token_event(is_chat: bool, is_last: bool) -> bytes:
    said: dict[str, object] = {"delta": {"content": " token"}} if is_chat else {"text": " token", "logprobs": None}
    reason = "length" if is_last else None
    return _chunk(_event([{"index": 0, **said, "finish_reason": reason, "token_ids": [42]}], is_chat))


def _tail(stream: _Stream) -> bytes:
    num_prompt, num_output = stream.num_prompt_tokens, stream.num_tokens
    usage = {"prompt_tokens": num_prompt, "total_tokens": num_prompt + num_output, "completion_tokens": num_output}
    return _chunk(_event([], stream.is_chat, usage)) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


_EVENTS = {(is_chat, is_last): _token_event(is_chat, is_last) for is_chat in (False, True) for is_last in (False, True)}
