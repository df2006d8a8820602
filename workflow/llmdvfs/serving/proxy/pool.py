"""The connections to one instance: kept open between requests, as many as there are requests at once."""

import asyncio
from time import monotonic
from urllib.parse import urlsplit

from llmdvfs.serving.proxy.outlet import Outlet
from llmdvfs.serving.proxy.upstream import Receiver, ResponseStream

CONNECT_LIMIT_S = 5.0
IDLE_LIMIT_S = 60.0  # below what servers are started with, or a request could meet a closing connection
_HEAD = (
    "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nX-Request-Id: {}\r\nContent-Length: {}\r\n\r\n"
)


class _Idle(asyncio.Protocol):
    """Keeps a connection that carries nothing; bytes that nobody asked for end it."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet
        self.since_s = monotonic()

    def data_received(self, data: bytes) -> None:
        """End the connection, since nothing that comes next could be trusted."""
        self.outlet.transport.abort()


class Pool:
    """The connections to one instance."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._netloc = parts.netloc
        self._idle: list[_Idle] = []
        self._connecting: set[asyncio.Task[None]] = set()

    def ask(
        self, path: str, content: bytes, request_id: str, receiver: Receiver, *, is_held: bool = False
    ) -> ResponseStream:
        """Send JSON, on a new connection where none is idle, and return the answer that will come to the receiver.

        Where there is no connection the receiver is told that, as of an answer that was lost. is_held: it is given
        nothing else before the answer's `release`.
        """
        answer = ResponseStream(receiver, self.take_back, is_held=is_held)
        request = _HEAD.format(path, self._netloc, request_id, len(content)).encode("latin-1") + content
        outlet = self._take()
        if outlet is not None:
            answer.ask(outlet, request)
        else:
            task = asyncio.get_running_loop().create_task(self._connect_and_ask(answer, request))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        return answer

    def take_back(self, outlet: Outlet, is_reusable: bool) -> None:
        """Keep a connection for the next request, or close it."""
        if is_reusable and not outlet.transport.is_closing():
            idle = _Idle(outlet)
            outlet.transport.set_protocol(idle)
            self._idle.append(idle)
        else:
            outlet.transport.close()

    def close(self) -> None:
        """Close the idle connections and open no more; those in use end with their answers."""
        for task in self._connecting:
            task.cancel()
        while self._idle:
            self._idle.pop().outlet.transport.abort()

    def _take(self) -> Outlet | None:
        """Return an idle connection; None: there is none."""
        while self._idle:
            idle = self._idle.pop()
            if not idle.outlet.transport.is_closing() and monotonic() - idle.since_s < IDLE_LIMIT_S:
                return idle.outlet
            idle.outlet.transport.abort()
        return None

    async def _connect_and_ask(self, answer: ResponseStream, request: bytes) -> None:
        """Send a request on a new connection; where nobody takes one, its answer is lost."""
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                transport, _ = await asyncio.get_running_loop().create_connection(
                    asyncio.Protocol, self._host, self._port
                )
        except TimeoutError:
            answer.lose(f"no connection to {self._netloc} within {CONNECT_LIMIT_S:g} s")
        except OSError as error:
            answer.lose(str(error) or type(error).__name__)
        else:
            answer.ask(Outlet(transport), request)
