"""A connector: `carrier`, for every engine version and device."""

from typing import Any

from llmdvfs.connectors.connector import Connector, Device, EngineVersion
from llmdvfs.records.route import KvAddresses
from llmdvfs.records.spec import Role


class CarrierConnector(Connector):
    """Names itself and its address to the engine."""

    name = "carrier"

    def refusal(self, version: EngineVersion, device: Device) -> str | None:
        """Every version has it."""
        return None

    def kv_transfer_config(self, role: Role, version: EngineVersion, device: Device, at: KvAddresses) -> dict[str, Any]:
        """Name the connector and where it listens."""
        return {"kv_connector": "CarrierConnector", "kv_role": "kv_both", "kv_ip": at.host}
