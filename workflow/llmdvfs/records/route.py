"""The instances that requests are to reach, and how one is chosen: what the proxy, or the load generator, is told."""

from dataclasses import dataclass

from llmdvfs.records.spec import Role

POLICIES = ("round_robin", "least_requests", "random")


@dataclass(frozen=True, slots=True)
class KvAddresses:
    """Where one instance is reached for KV transfer."""

    host: str
    http_port: int
    kv_port: int
    """First of `tensor_parallel_size` consecutive ports, of which every rank listens on one."""
    storage_folder: str
    """Folder shared by all instances of a deployment; only a connector that passes files uses it."""
    engine_id: str
    """Name that no other running engine has."""
    tensor_parallel_size: int = 1

    @property
    def kv_address(self) -> str:
        """Return `host:port` of the connector's first port."""
        return f"{self.host}:{self.kv_port}"


@dataclass(frozen=True, slots=True)
class Upstream:
    """One instance that requests are sent on to."""

    name: str
    role: Role
    base_url: str
    kv: KvAddresses | None = None
    """None: no KV cache is transferred."""


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """All instances of a deployment, and how they are chosen and asked.

    With prefill instances, a request goes to one of them first; without, it goes to one of the others.
    """

    upstreams: tuple[Upstream, ...]
    connector: str | None
    policy: str = "round_robin"
    """How an instance is chosen, for each role by itself: a name in POLICIES."""
    seed: int = 0
    """Seed of the policy `random`: the same plan gives the same choices."""

    def of_role(self, *roles: Role) -> tuple[Upstream, ...]:
        """Return the instances that have one of these roles, in their order."""
        return tuple(upstream for upstream in self.upstreams if upstream.role in roles)
