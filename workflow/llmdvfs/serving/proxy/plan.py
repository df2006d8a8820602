"""What the proxy is told: its instances, how it chooses among them, and how requests are formed."""

from dataclasses import dataclass

from llmdvfs.connectors.connector import KvAddresses
from llmdvfs.records.spec import Role

POLICIES = ("round_robin", "least_requests", "random")


@dataclass(frozen=True, slots=True)
class Upstream:
    """One instance behind the proxy."""

    name: str
    role: Role
    base_url: str
    kv: KvAddresses | None = None


@dataclass(frozen=True, slots=True)
class ProxyPlan:
    """The proxy's instances and settings.

    With prefill instances, a request goes to one of them first; without, the proxy only balances.
    """

    upstreams: tuple[Upstream, ...]
    connector: str | None
    policy: str = "round_robin"
    """How an instance is chosen, for each role by itself: a name in POLICIES."""
    seed: int = 0
    """Seed of the policy `random`: the same plan gives the same choices."""
    max_in_flight: int = 4096
    max_waiting: int = 4096
    """Requests beyond those in flight and those waiting are answered with 503."""

    def of_role(self, *roles: Role) -> tuple[Upstream, ...]:
        """Return the instances that have one of these roles, in their order."""
        return tuple(upstream for upstream in self.upstreams if upstream.role in roles)
