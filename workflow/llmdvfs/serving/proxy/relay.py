"""The instances of a proxy, and what a client is told where one of them fails (no web framework here)."""

import orjson

from llmdvfs.connectors.connector import Connector
from llmdvfs.connectors.table import CONNECTORS
from llmdvfs.serving.proxy.journal import Journal
from llmdvfs.serving.proxy.plan import ProxyPlan
from llmdvfs.serving.proxy.policy import Backend, Balancer
from llmdvfs.serving.proxy.pool import Pool

BAD_GATEWAY = 502


class UpstreamFailed(Exception):
    """An instance refused a request or broke off.

    `status` and `body` are the answer for the client.
    """

    def __init__(self, status: int, message: str, body: bytes | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = body or error_body(message, status)


def error_body(message: str, status: int) -> bytes:
    """Return the bytes of an error in OpenAI's form."""
    return orjson.dumps({"error": {"message": message, "type": "upstream_error", "code": status}})


class Relay:
    """The instances of a proxy, and which of them has been given what."""

    def __init__(self, plan: ProxyPlan, journal: Journal) -> None:
        prefill = plan.of_role("prefill")
        self.connector: Connector | None = CONNECTORS[plan.connector] if plan.connector else None
        self.prefill = Balancer.of(prefill, plan.policy, plan.seed) if prefill else None
        self.decode = Balancer.of(plan.of_role("decode", "single"), plan.policy, plan.seed)
        self.pools = {backend.upstream.name: Pool(backend.upstream.base_url) for backend in self.backends()}
        self.journal = journal

    def backends(self) -> list[Backend]:
        """Return every instance, those of prefill first."""
        return [*(self.prefill.backends if self.prefill else []), *self.decode.backends]

    def close(self) -> None:
        """Close idle connections and the journal."""
        for pool in self.pools.values():
            pool.close()
        self.journal.close()
