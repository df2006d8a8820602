"""The route of most loads: one address, whatever stands there."""

import asyncio
from collections.abc import Iterator
from time import monotonic_ns

from llmdvfs.load.sending.feed import ReadyRequest
from llmdvfs.load.sending.route import Ended
from llmdvfs.load.wire.connection import Connection
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.load.wire.pool import ConnectionPool
from llmdvfs.load.wire.request import Target


class OneAddress:
    """Sends every request to one address, over a pool of connections."""

    def __init__(self, to: Target, ended: Ended) -> None:
        self._pool = ConnectionPool(to, self._done)
        self._ended = ended
        self._busy: set[Connection] = set()
        self._connecting: dict[asyncio.Task[None], Exchange] = {}

    @property
    def num_opened(self) -> int:
        """Return the number of connections opened so far."""
        return self._pool.num_opened

    async def open(self, num: int, num_spare: int) -> None:
        """Open `num` connections; ServerNotReady where the server takes none."""
        await self._pool.open(num, num_spare)

    async def close(self) -> None:
        """Close all connections, whatever they are doing, and open no more."""
        connecting = list(self._connecting)
        for task in connecting:
            task.cancel()
        await asyncio.gather(*connecting, return_exceptions=True)
        await self._pool.close()

    def refresh(self) -> bool:
        """Replace idle connections before the server closes them; return whether there was anything to do."""
        return self._pool.refresh()

    def send(self, request: ReadyRequest) -> None:
        """Send a request on an idle connection, or on a new one where none is idle."""
        connection = self._pool.take()
        if connection is None:
            task = asyncio.get_running_loop().create_task(self._connect_and_send(request))
            self._connecting[task] = request.exchange
            task.add_done_callback(self._connecting.pop)
        else:
            self._send(connection, request)

    def under_way(self) -> set[Connection]:
        """Return the connections that carry a request."""
        return self._busy

    def in_flight(self) -> Iterator[Exchange]:
        """Yield all requests that have not ended."""
        yield from self._connecting.values()
        yield from (each.exchange for each in self._busy if each.exchange is not None)

    async def _connect_and_send(self, request: ReadyRequest) -> None:
        """Open a connection for a request that found none idle, and send it; a failure ends that request."""
        try:
            connection = await self._pool.connect()
        except (OSError, TimeoutError) as error:
            exchange = request.exchange
            exchange.failure, exchange.cause = "refused", f"no connection: {error or 'timed out'}"
            exchange.end_mono_ns = monotonic_ns()
            self._ended(exchange, exchange.cause)
        else:
            self._send(connection, request)

    def _send(self, connection: Connection, request: ReadyRequest) -> None:
        self._busy.add(connection)
        connection.send(request.exchange, request.rendered)

    def _done(self, connection: Connection, exchange: Exchange) -> None:
        self._busy.discard(connection)
        is_ok = exchange.failure is None and connection.status == 200
        failure = None if is_ok else exchange.cause or f"HTTP status {connection.status}"
        self._pool.give_back(connection)
        self._ended(exchange, failure)
