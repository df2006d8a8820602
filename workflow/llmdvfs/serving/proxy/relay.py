"""The instances of a proxy, and the connections to them (no web framework here)."""

from itertools import cycle
from math import ceil

from llmdvfs.routing.balancer import Backend, balancers
from llmdvfs.serving.proxy.inlet import Inlet
from llmdvfs.serving.proxy.journal import Journal
from llmdvfs.serving.proxy.plan import ProxyPlan
from llmdvfs.serving.proxy.pool import Pool


class Relay:
    """The instances of a proxy, and which of them has been given what."""

    def __init__(self, plan: ProxyPlan, journal: Journal, inlet: Inlet) -> None:
        self.connector = plan.connector
        self.prefill, self.decode = balancers(plan)
        self.pools = {backend.upstream.name: Pool(backend.upstream.base_url, inlet) for backend in self.backends()}
        self._num_clients, self._max_in_flight = 0, plan.max_in_flight
        self.journal = journal
        self.is_later = cycle((False, True))
        """Of answers among several: whether tokens are acknowledged two at a time from the third on, or the second."""

    def client_came(self) -> None:
        """Have as many connections ready in each role as clients have, since a client that has opened one will ask.

        Opened when a request needs them they stand before it and all that come with it (docs/proxy-latency.md).
        """
        self._num_clients += 1
        num_at_once = min(self._num_clients, self._max_in_flight)
        for balancer in filter(None, (self.prefill, self.decode)):
            num_wanted = ceil(num_at_once / len(balancer.backends))
            for backend in balancer.backends:
                self.pools[backend.upstream.name].prepare(num_wanted)

    def client_left(self) -> None:
        """Expect one client less; what is open stays open."""
        self._num_clients -= 1

    def backends(self) -> list[Backend]:
        """Return every instance, those of prefill first."""
        return [*(self.prefill.backends if self.prefill else []), *self.decode.backends]

    def close(self) -> None:
        """Close idle connections and the journal."""
        for pool in self.pools.values():
            pool.close()
        self.journal.close()
