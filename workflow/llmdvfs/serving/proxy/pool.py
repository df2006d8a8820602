"""The connections to one instance: kept open between requests, as many as there are requests at once."""

import asyncio
from time import monotonic
from urllib.parse import urlsplit

from llmdvfs.serving.proxy.outlet import Outlet
from llmdvfs.serving.proxy.upstream import ResponseStream

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

    async def ask(self, path: str, content: bytes, request_id: str) -> ResponseStream:
        """Send JSON and return the answer that will come; OSError: there is no connection."""
        return self.ask_now(path, content, request_id) or self._send(await self._connect(), path, content, request_id)

    def ask_now(self, path: str, content: bytes, request_id: str) -> ResponseStream | None:
        """Send JSON on an idle connection and return the answer that will come; None: there is no such connection."""
        while self._idle:
            idle = self._idle.pop()
            if not idle.outlet.transport.is_closing() and monotonic() - idle.since_s < IDLE_LIMIT_S:
                return self._send(idle.outlet, path, content, request_id)
            idle.outlet.transport.abort()
        return None

    def take_back(self, outlet: Outlet, is_reusable: bool) -> None:
        """Keep a connection for the next request, or close it."""
        if is_reusable and not outlet.transport.is_closing():
            idle = _Idle(outlet)
            outlet.transport.set_protocol(idle)
            self._idle.append(idle)
        else:
            outlet.transport.close()

    def close(self) -> None:
        """Close the idle connections; those in use end with their answers."""
        while self._idle:
            self._idle.pop().outlet.transport.abort()

    def _send(self, outlet: Outlet, path: str, content: bytes, request_id: str) -> ResponseStream:
        """Send JSON on a connection and return the answer that will come."""
        answer = ResponseStream(self.take_back, outlet)
        outlet.transport.set_protocol(answer)
        outlet.write(_HEAD.format(path, self._netloc, request_id, len(content)).encode("latin-1") + content)
        return answer

    async def _connect(self) -> Outlet:
        """Return a new connection; OSError: nobody is there, or nobody answers."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                transport, _ = await loop.create_connection(asyncio.Protocol, self._host, self._port)
        except TimeoutError as error:
            raise TimeoutError(f"no connection to {self._netloc} within {CONNECT_LIMIT_S:g} s") from error
        return Outlet(transport)
