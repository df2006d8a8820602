"""Opens connections before they are needed, and replaces them before the server closes them."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from time import monotonic_ns

from llmdvfs.clock import NS_PER_S
from llmdvfs.errors import ServerNotReady
from llmdvfs.load.wire.connection import Connection
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.load.wire.request import Target

# uvicorn and hypercorn close a connection that was idle for 5 s; a request written at that moment would be lost.
MAX_IDLE_NS = 3 * NS_PER_S
MAX_OPENING = 64  # at once, before the load: the server's backlog is 128 on many systems
# While the load runs: opening one takes 0.1 ms, and a read that comes meanwhile is stamped late.
MIN_OPENED_AT_A_TIME = 2
CALLS_FOR_ALL = 40  # so many calls of refresh, at 20 ms, go round all idle connections: 0.8 s
CONNECT_TIMEOUT_S = 10.0


class ConnectionPool:
    """Hands out idle connections; opening one is never part of a request unless the pool is dry."""

    def __init__(self, to: Target, on_done: Callable[[Connection, Exchange], None]) -> None:
        self._to = to
        self._on_done = on_done
        self._tls = ssl.create_default_context() if to.tls else None
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._addresses: list[str] = []
        self._num_wanted = 0
        self._num_spare = 0
        self.num_opened = 0

    async def open(self, num: int, num_spare: int) -> None:
        """Open `num` connections and keep that many from now on; more, where fewer than `num_spare` are idle.

        ServerNotReady where the server takes none.
        """
        self._num_wanted, self._num_spare = num, num_spare
        try:
            while (missing := num - len(self._idle)) > 0:
                for connection in await asyncio.gather(*(self.connect() for _ in range(min(missing, MAX_OPENING)))):
                    self._idle.append(connection)
        except (OSError, TimeoutError) as error:
            to = self._to
            raise ServerNotReady(
                f"http{'s' * to.tls}://{to.host}:{to.port} takes no connection ({error or 'timed out'}); "
                "start the server first, or check base_url"
            ) from error

    async def connect(self) -> Connection:
        """Return a new connection; OSError or TimeoutError where the server does not take it at any of its addresses.

        The address that took the last connection is tried first: a name such as `localhost` often has one of IPv6 and
        one of IPv4, and many servers listen on one of them alone.
        """
        loop = asyncio.get_running_loop()
        if not self._addresses:
            self._addresses = await self._resolve(loop)
        failures: list[OSError] = []  # a TimeoutError is one of them
        for address in list(self._addresses):
            try:
                connection = await self._connect_to(loop, address)
            except OSError as error:
                failures.append(error)
                continue
            if address != self._addresses[0]:
                self._addresses.remove(address)
                self._addresses.insert(0, address)
            return connection
        raise failures[0] if len(failures) == 1 else OSError("; ".join(str(each) or "timed out" for each in failures))

    async def _connect_to(self, loop: asyncio.AbstractEventLoop, address: str) -> Connection:
        """Return a new connection to one of the server's addresses; OSError or TimeoutError where it is not taken."""
        _, connection = await asyncio.wait_for(
            loop.create_connection(
                lambda: Connection(self._on_done, self._forget),
                address,
                self._to.port,
                ssl=self._tls,
                server_hostname=self._to.host if self._tls else None,
            ),
            CONNECT_TIMEOUT_S,
        )
        self.num_opened += 1
        if connection.reusable:  # else the server has closed it already, and nobody would forget it again
            self._open.add(connection)
        return connection

    def take(self) -> Connection | None:
        """Return the idle connection that was used last and is still open; None: the pool is dry."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
        return None

    def give_back(self, connection: Connection) -> None:
        """Take a connection back after its exchange; one that the server is ending is dropped."""
        if connection.reusable:
            self._idle.append(connection)
        else:
            connection.close()

    def refresh(self) -> bool:
        """Replace idle connections before the server closes them, and open what is missing, a few at a time.

        Return whether there was anything to do.
        """
        num_now = max(MIN_OPENED_AT_A_TIME, len(self._idle) // CALLS_FOR_ALL)
        oldest = monotonic_ns() - MAX_IDLE_NS
        stale = [connection for connection in self._idle if connection.last_used_mono_ns < oldest][:num_now]
        for connection in stale:
            self._idle.remove(connection)
            connection.close()
        num_open = len(self._open) - sum(connection in self._open for connection in stale)
        num_missing = max(self._num_wanted - num_open, self._num_spare - len(self._idle)) - len(self._opening)
        for _ in range(min(num_missing, num_now)):
            task = asyncio.get_running_loop().create_task(self._open_one())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        return bool(stale) or num_missing > 0

    async def close(self) -> None:
        """Close all connections, whatever they are doing."""
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for connection in list(self._open):
            connection.close()
        self._idle.clear()
        while self._open:  # each leaves when its loop says that it is lost
            await asyncio.sleep(0.001)

    async def _open_one(self) -> None:
        """Open one connection in the background; a failure leaves the pool as it is."""
        try:
            connection = await self.connect()
        except (OSError, TimeoutError):
            return  # the request that needs a connection will say so
        if connection.reusable:
            self._idle.append(connection)

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    async def _resolve(self, loop: asyncio.AbstractEventLoop) -> list[str]:
        """Return the addresses of the server's name, each once; ServerNotReady where it has none."""
        try:
            found = await loop.getaddrinfo(self._to.host, self._to.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ServerNotReady(f"host {self._to.host!r} has no address ({error}); check base_url") from error
        return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
