"""The connections to one instance: kept open between requests, as many as there are requests at once."""

import asyncio
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
        self._connecting: set[asyncio.Task[None]] = set()

    def ask(self, path: str, content: bytes, request_id: str, receiver: Receiver, *, is_held: bool = False) -> Answer:
        """Send JSON, on a new connection where none is idle, and return the answer that will come to the receiver.

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
            task = asyncio.get_running_loop().create_task(self._connect_and_ask(answer, request))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        return answer

    def close(self) -> None:
        """Close the idle connections and open no more; those in use end with their answers."""
        for task in self._connecting:
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

    async def _connect_and_ask(self, answer: Answer, request: bytes) -> None:
        """Send a request on a new connection; where nobody takes one, its answer is lost."""
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._idle.append, self._inlet), self._host, self._port
                )
        except TimeoutError:
            answer.lose(f"no connection to {self._netloc} within {CONNECT_LIMIT_S:g} s")
        except OSError as error:
            answer.lose(str(error) or type(error).__name__)
        else:
            if answer.receiver is None:  # it was closed while the connection was opened
                self._idle.append(connection)
            else:
                connection.ask(answer, request)
