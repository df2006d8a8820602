"""Connector over files in a shared folder: vLLM's own example, the one that needs nothing special."""

from typing import Any

from llmdvfs.connectors.connector import Connector, Device, EngineVersion
from llmdvfs.errors import ConfigError
from llmdvfs.records.route import KvAddresses
from llmdvfs.records.spec import EngineSpec, Role


class ExampleConnector(Connector):
    """Prefill writes the KV of a prompt's full blocks under their hash; decode looks there and loads them.

    Decode computes the rest of the prompt itself: its last, partial block; all of it where no block is full; and all
    of it where the length is one more than a multiple of the block size, since vLLM then looks under another hash.
    """

    name = "example"

    def refusal(self, version: EngineVersion, device: Device) -> str | None:
        """Return None: every version has it, under one of two names."""
        return None

    def kv_transfer_config(self, role: Role, version: EngineVersion, device: Device, at: KvAddresses) -> dict[str, Any]:
        """Return the configuration with the shared folder; the connector was renamed in vLLM 0.13."""
        return {
            "kv_connector": "ExampleConnector" if version >= (0, 13) else "SharedStorageConnector",
            "kv_role": "kv_producer" if role == "prefill" else "kv_consumer",
            "kv_connector_extra_config": {"shared_storage_path": at.storage_folder},
        }

    def flags(self, role: Role, engine: EngineSpec) -> tuple[str, ...]:
        """Return flags that prefill each prompt in one step, since only what the first step computes is stored."""
        if role != "prefill":
            return ()
        if engine.enable_chunked_prefill:
            raise ConfigError(
                "engine.enable_chunked_prefill is true, but the example connector stores only the first chunk of a "
                "chunked prefill: leave it unset for the prefill role, or take another connector"
            )
        flags: tuple[str, ...] = () if engine.enable_chunked_prefill is False else ("--no-enable-chunked-prefill",)
        if engine.max_num_batched_tokens is None and engine.max_model_len is not None:
            # vLLM refuses a token budget below the longest prompt where prefill is not chunked.
            flags += ("--max-num-batched-tokens", str(max(engine.max_model_len, 2048)))
        return flags
