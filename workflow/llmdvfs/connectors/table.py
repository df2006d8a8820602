"""Table of all connectors, and the choice of one for an engine version and a device."""

from llmdvfs.connectors.connector import Connector, Device, EngineVersion
from llmdvfs.connectors.example import ExampleConnector
from llmdvfs.connectors.nixl import NixlConnector
from llmdvfs.connectors.nixl_push import NixlPushConnector
from llmdvfs.connectors.p2p_nccl import P2pNcclConnector
from llmdvfs.errors import ConfigError

CONNECTORS: dict[str, Connector] = {
    connector.name: connector
    for connector in (P2pNcclConnector(), NixlPushConnector(), NixlConnector(), ExampleConnector())
}

AUTO_ORDER: dict[str, tuple[str, ...]] = {"cuda": ("p2p_nccl", "nixl_push", "nixl"), "cpu": ("example",)}
"""What `auto` takes: the first that the engine's version has."""

OLDEST_ENGINE = (0, 10, 2)


def resolve_connector(name: str, version: EngineVersion, device: Device) -> str:
    """Return the name of the connector to use, also for "auto"; ConfigError says what would be possible."""
    vllm = f"vLLM {'.'.join(map(str, version))} on {device}"
    if version < OLDEST_ENGINE:
        raise ConfigError(f"{vllm}: KV transfer needs vLLM {'.'.join(map(str, OLDEST_ENGINE))} or newer")
    possible = [known for known in CONNECTORS if CONNECTORS[known].refusal(version, device) is None]
    if name == "auto":
        return next(known for known in AUTO_ORDER[device] if known in possible)
    if name not in CONNECTORS:
        raise ConfigError(f"connector {name!r} is not known; expected auto, {', '.join(CONNECTORS)}")
    refusal = CONNECTORS[name].refusal(version, device)
    if refusal:
        raise ConfigError(f"connector {name!r} with {vllm}: {refusal} (possible: {', '.join(possible)})")
    return name
