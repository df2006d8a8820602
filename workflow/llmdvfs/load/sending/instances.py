"""The route `direct`: the load generator itself chooses instances and asks them, as a perfect router would."""

from collections.abc import Iterator

from llmdvfs.load.sending.balanced import Balanced
from llmdvfs.load.sending.feed import ReadyRequest
from llmdvfs.load.sending.handover import Handover
from llmdvfs.load.sending.route import Ended
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.load.wire.leg import Instance
from llmdvfs.load.wire.request import Target, at_address
from llmdvfs.records.route import RoutePlan
from llmdvfs.routing.balancer import Balancer, balancers
from llmdvfs.routing.pair import Pair


class Instances:
    """Sends every request to one of several instances, or to one of prefill and then to one of decode."""

    def __init__(self, plan: RoutePlan, to: Target, ended: Ended) -> None:
        """Make a route that is not yet connected.

        to: what is the same in all requests; its address is not used.
        """
        self._connector, self._path = plan.connector, to.path
        self._prefill, self._decode = balancers(plan)
        self._of_name = {
            backend.upstream.name: Instance(backend, at_address(to, backend.upstream.base_url))
            for balancer in filter(None, (self._prefill, self._decode))
            for backend in balancer.backends
        }
        self._ended = ended
        self._asked: set[Balanced | Handover] = set()

    @property
    def num_opened(self) -> int:
        """Return the number of connections opened so far, to all instances."""
        return sum(each.pool.num_opened for each in self._of_name.values())

    async def open(self, num: int, num_spare: int) -> None:
        """Open connections for `num` requests at once, which are spread evenly over the instances of a role."""
        for balancer in filter(None, (self._prefill, self._decode)):
            for backend in balancer.backends:
                share = -(-num // len(balancer.backends))
                await self._of_name[backend.upstream.name].pool.open(share, num_spare)

    async def close(self) -> None:
        """Close all connections, whatever they are doing, and open no more."""
        for asked in self._asked:
            asked.drop()
        for each in self._of_name.values():
            await each.pool.close()

    def refresh(self) -> bool:
        """Replace idle connections before an instance closes them; return whether there was anything to do."""
        have_worked = [each.pool.refresh() for each in self._of_name.values()]
        return any(have_worked)

    def send(self, request: ReadyRequest) -> None:
        """Choose instances for a request, and ask the first of them."""
        asked: Balanced | Handover
        if self._prefill is None:
            asked = Balanced(request, self._taken(self._decode), self._over)
        else:
            assert request.body is not None  # the feed of this route keeps bodies
            prefill, decode = self._taken(self._prefill), self._taken(self._decode)
            upstreams = prefill.backend.upstream, decode.backend.upstream
            pair = Pair(self._connector, *upstreams, self._path, request.body, request.exchange.request_id)
            asked = Handover(request, pair, prefill, decode, self._over)
        self._asked.add(asked)
        asked.start()

    def under_way(self) -> set[Balanced | Handover]:
        """Return all requests that have not ended; one that waits for a connection is not sent."""
        return self._asked

    def in_flight(self) -> Iterator[Exchange]:
        """Yield all requests that have not ended."""
        return (each.exchange for each in self._asked)

    def _taken(self, balancer: Balancer) -> Instance:
        return self._of_name[balancer.take().upstream.name]

    def _over(self, asked: Balanced | Handover, failure: str | None) -> None:
        self._asked.discard(asked)
        self._ended(asked.exchange, failure)
