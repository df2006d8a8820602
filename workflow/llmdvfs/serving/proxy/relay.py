"""The instances of a proxy, and the connections to them (no web framework here)."""

from itertools import cycle

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
        self.journal = journal
        self.is_later = cycle((False, True))
        """Of answers among several: whether tokens are acknowledged two at a time from the third on, or the second."""

    def backends(self) -> list[Backend]:
        """Return every instance, those of prefill first."""
        return [*(self.prefill.backends if self.prefill else []), *self.decode.backends]

    def close(self) -> None:
        """Close idle connections and the journal."""
        for pool in self.pools.values():
            pool.close()
        self.journal.close()
