"""The connections to one instance: opened before they are needed, and kept open between requests."""

import asyncio
from collections import deque
from time import monotonic
from urllib.parse import urlsplit

from llmdvfs.serving.proxy.answer import Answer, Receiver
from llmdvfs.serving.proxy.inlet import Inlet
from llmdvfs.serving.proxy.upstream import Connection

CONNECT_LIMIT_S = 5.0
IDLE_LIMIT_S = 60.0  # below what servers are started with, or a request could meet a closing connection


class Pool:
    """The connections to one instance."""

    def __init__(self, base_url: str, inlet: Inlet) -> None:
        self._inlet = inlet
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._netloc = parts.netloc
        self._idle: list[Connection] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._num_opening = 0
        self._waiting: deque[tuple[Answer, bytes]] = deque()
        """Requests for which a connection is being opened, and their answers."""

    def prepare(self, num_wanted: int) -> None:
        """Open a connection, where fewer than num_wanted are idle or being opened."""
        if len(self._idle) + self._num_opening < num_wanted:
            self._open()

    def ask(self, path: str, content: bytes, request_id: str, receiver: Receiver, *, is_held: bool = False) -> Answer:
        """Send JSON, on the next new connection where none is idle; return the answer that will come to the receiver.

        Where there is no connection the receiver is told that, as of an answer that was lost. is_held: it is given
        nothing else before the answer's `release`.
        """
        answer = Answer(receiver, is_held=is_held)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._netloc}\r\nContent-Type: application/json\r\n"
            f"X-Request-Id: {request_id}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        request = head.encode("latin-1") + content
        connection = self._take()
        if connection is not None:
            connection.ask(answer, request)
        else:
            self._waiting.append((answer, request))
            if self._num_opening < len(self._waiting):
                self._open()
        return answer

    def close(self) -> None:
        """Close the idle connections and open no more; those in use end with their answers."""
        for task in self._opening:
            task.cancel()
        while self._idle:
            self._idle.pop().abort()

    def _take(self) -> Connection | None:
        """Return an idle connection; None: there is none."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and monotonic() - connection.idle_since_s < IDLE_LIMIT_S:
                return connection
            connection.abort()
        return None

    def _open(self) -> None:
        task = asyncio.get_running_loop().create_task(self._connect())
        self._num_opening += 1
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        """Open a connection, and give it to the request that waits longest."""
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._idle.append, self._inlet), self._host, self._port
                )
        except TimeoutError:
            self._lose(f"no connection to {self._netloc} within {CONNECT_LIMIT_S:g} s")
        except OSError as error:
            self._lose(str(error) or type(error).__name__)
        else:
            self._num_opening -= 1
            while self._waiting:
                answer, request = self._waiting.popleft()
                if answer.receiver is not None:  # else it was closed meanwhile
                    connection.ask(answer, request)
                    return
            self._idle.append(connection)

    def _lose(self, cause: str) -> None:
        """Lose the answer that waits longest, unless each that waits has a connection that is still being opened."""
        self._num_opening -= 1
        if self._num_opening < len(self._waiting):
            self._waiting.popleft()[0].lose(cause)
