"""Finds the network over which a deployment's KV cache is sent."""

from llmdvfs.connectors.table import CONNECTORS
from llmdvfs.records.host import NetworkPath
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
