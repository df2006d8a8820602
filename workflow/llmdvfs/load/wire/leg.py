"""Requests to one of several instances, which together are one request of the load."""

import asyncio
from collections.abc import Callable
from time import monotonic_ns

from llmdvfs.load.wire.connection import Connection
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.load.wire.pool import ConnectionPool
from llmdvfs.load.wire.request import Target, request_head
from llmdvfs.routing.balancer import Backend


class Instance:
    """One instance: what its balancer counts of it, the connections to it, and who uses them."""

    def __init__(self, backend: Backend, to: Target) -> None:
        self.backend = backend
        self.to = to
        self.pool = ConnectionPool(to, self._done)
        self.carried: dict[Connection, Leg] = {}

    def _done(self, connection: Connection, exchange: Exchange) -> None:
        leg = self.carried.pop(connection)
        status = connection.status
        self.pool.give_back(connection)
        leg.end(status)


class Leg:
    """One request to one instance, which counts as busy with it from before it is sent."""

    __slots__ = ("_connection", "_instance", "_on_end", "_opening", "exchange", "is_over", "status")

    def __init__(self, instance: Instance, exchange: Exchange, on_end: "Callable[[Leg], None]") -> None:
        """Make a leg that is not sent yet.

        exchange: takes its stamps and its answer. on_end: called once, unless the leg is dropped.
        """
        self._instance = instance
        self.exchange = exchange
        self._on_end = on_end
        self._connection: Connection | None = None
        self._opening: asyncio.Task[None] | None = None
        self.is_over = False
        self.status: int | None = None
        """HTTP status of the whole answer; None: there is none."""

    @property
    def name(self) -> str:
        """Return the instance's name."""
        return self._instance.backend.upstream.name

    def send(self, content: bytes, request_id: str) -> None:
        """Send a body on an idle connection, or on a new one where none is idle."""
        rendered = request_head(self._instance.to, request_id, len(content)) + content
        connection = self._instance.pool.take()
        if connection is None:
            self._opening = asyncio.get_running_loop().create_task(self._connect_and_write(rendered))
        else:
            self._write(connection, rendered)

    def drop(self) -> None:
        """Let it be over, whatever it is doing: the instance stops computing, and nobody is told."""
        if self.is_over:
            return
        if self._opening is not None:
            self._opening.cancel()
        if self._connection is not None:
            del self._instance.carried[self._connection]
            self._connection.close()
        self._finish()

    def end(self, status: int | None) -> None:
        """Tell of the end; called where the answer is whole (with its status) or will never be."""
        self.status = None if self.exchange.failure else status
        self._finish()
        self._on_end(self)

    async def _connect_and_write(self, rendered: bytes) -> None:
        try:
            connection = await self._instance.pool.connect()
        except (OSError, TimeoutError) as error:
            exchange = self.exchange
            exchange.failure, exchange.cause = "refused", f"no connection: {error or 'timed out'}"
            exchange.end_mono_ns = monotonic_ns()
            self.end(None)
        else:
            self._opening = None
            self._write(connection, rendered)

    def _write(self, connection: Connection, rendered: bytes) -> None:
        self._connection = connection
        self._instance.carried[connection] = self
        connection.send(self.exchange, rendered)

    def _finish(self) -> None:
        self.is_over = True
        self._connection = self._opening = None
        self._instance.backend.release()
