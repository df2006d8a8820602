"""How requests of a load get to whoever answers them."""

from collections.abc import Callable, Iterable
from typing import Protocol

from llmdvfs.load.sending.feed import ReadyRequest
from llmdvfs.load.wire.exchange import Exchange, Failure

Ended = Callable[[Exchange, str | None], None]
"""Takes a finished exchange, and why it failed; None: the server answered it with 200."""


class UnderWay(Protocol):
    """One request that has been given a connection."""

    @property
    def exchange(self) -> Exchange | None:
        """The request and its answer; None: it has just ended."""

    def abandon(self, failure: Failure, cause: str) -> None:
        """Fail the exchange with this cause, and drop what it keeps busy."""


class Route(Protocol):
    """Sends requests; whoever made the route is told of the end of each."""

    @property
    def num_opened(self) -> int:
        """Return the number of connections opened so far."""

    async def open(self, num: int, num_spare: int) -> None:
        """Open connections for `num` requests at once, of which `num_spare` at least are to stay idle.

        ServerNotReady where a server takes none.
        """

    async def close(self) -> None:
        """Close all connections, whatever they are doing."""

    def refresh(self) -> bool:
        """Keep connections ready, in a small slice of work; return whether there was anything to do."""

    def send(self, request: ReadyRequest) -> None:
        """Send a request now, or as soon as there is a connection."""

    def under_way(self) -> Iterable[UnderWay]:
        """Return the requests that may take too long: those that have been given a connection."""

    def in_flight(self) -> Iterable[Exchange]:
        """Return all requests that have not ended, those that wait for a connection included."""


MakeRoute = Callable[[Ended], Route]
