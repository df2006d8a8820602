"""What the proxy is told: its instances, how it chooses among them, and how many requests it lets in."""

from dataclasses import dataclass

from llmdvfs.records.route import RoutePlan


@dataclass(frozen=True, slots=True)
class ProxyPlan(RoutePlan):
    """The proxy's instances and settings."""

    max_in_flight: int = 4096
    max_waiting: int = 4096
    """Requests beyond those in flight and those waiting are answered with 503."""
