"""Finds the network over which a deployment's KV cache is sent."""

from collections.abc import Sequence

from llmdvfs.connectors.table import CONNECTORS
from llmdvfs.records.host import NetworkPath
from llmdvfs.records.hosts import HostPath
from llmdvfs.records.run import ServerStart
from llmdvfs.telemetry.network import network_path


def kv_network(connector: str | None, start: ServerStart) -> NetworkPath | None:
    """Return the slowest of the instances' networks.

    None where one of them has another way, or where there is no KV cache to send.
    """
    if connector is None:
        return None
    devices = [CONNECTORS[connector].network_devices(instance.env) for instance in start.instances]
    if not all(devices):
        return None
    return min((network_path(own) for own in devices), key=lambda path: path.rate_bytes_per_s or 0.0)


def measured_network(paths: Sequence[HostPath]) -> NetworkPath | None:
    """Return the slowest path between hosts, for that is where a transfer waits; None: none was measured."""
    if not paths:
        return None
    slowest = min(paths, key=lambda path: path.rate_bytes_per_s)
    return NetworkPath((f"{slowest.sender} - {slowest.receiver}",), slowest.rate_bytes_per_s, is_measured=True)
