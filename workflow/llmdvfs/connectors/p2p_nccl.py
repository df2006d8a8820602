"""Connector P2P NCCL: prefill sends every layer to decode; both addresses stand in the request id."""

import secrets
from collections.abc import Mapping
from typing import Any

from llmdvfs.connectors.connector import Connector, Device, EngineVersion
from llmdvfs.records.route import KvAddresses
from llmdvfs.records.spec import Role

# Pinned host memory that takes what does not fit the consumer's buffer; vLLM's default is 32 GiB a server.
HOST_POOL_GIB = 4
# Device memory of the consumer, beyond gpu-memory-utilization. Numbers are strings: vLLM concatenates some of them.
CONSUMER_BUFFER_BYTES = "8e9"
PRODUCER_BUFFER_BYTES = "1e1"
NUM_NCCL_CHANNELS = 16


class P2pNcclConnector(Connector):
    """One way of moving the KV cache, by NCCL from GPU to GPU.

    It was removed in vLLM 0.24, and hangs in 0.14 to 0.16, which change request ids with no way to stop it.
    """

    name = "p2p_nccl"

    def refusal(self, version: EngineVersion, device: Device) -> str | None:
        """Return why this version or device cannot use it."""
        if device != "cuda":
            return "p2p_nccl needs GPUs"
        if (0, 14) <= version < (0, 17):
            return "p2p_nccl hangs with vLLM 0.14 to 0.16, which randomise request ids; take nixl, or vLLM 0.17 to 0.23"
        if version >= (0, 24):
            return "p2p_nccl was removed in vLLM 0.24; take nixl_push or nixl, or vLLM 0.17 to 0.23"
        return None

    def kv_transfer_config(self, role: Role, version: EngineVersion, device: Device, at: KvAddresses) -> dict[str, Any]:
        """Return the connector's own port and the instance's HTTP port, which together name it to its peers."""
        is_producer = role == "prefill"
        return {
            "kv_connector": "P2pNcclConnector",
            "kv_role": "kv_producer" if is_producer else "kv_consumer",
            "kv_buffer_size": PRODUCER_BUFFER_BYTES if is_producer else CONSUMER_BUFFER_BYTES,
            "kv_port": str(at.kv_port),
            "kv_connector_extra_config": {
                "http_port": str(at.http_port),
                "send_type": "PUT_ASYNC",
                "nccl_num_channels": str(NUM_NCCL_CHANNELS),
                "mem_pool_size_gb": str(HOST_POOL_GIB),
            },
        }

    def env(self, role: Role, version: EngineVersion, device: Device, at: KvAddresses) -> dict[str, str]:
        """Return the variable that keeps request ids, with the addresses in them, as sent (0.17 on change ids)."""
        return {"VLLM_DISABLE_REQUEST_ID_RANDOMIZATION": "1"} if version >= (0, 17) else {}

    def network_devices(self, env: Mapping[str, str]) -> tuple[str, ...]:
        """Return NCCL_IB_HCA or NCCL_SOCKET_IFNAME where NCCL may use neither peer access nor shared memory."""
        direct = any(env.get(name, "0") == "0" for name in ("NCCL_P2P_DISABLE", "NCCL_SHM_DISABLE"))
        named = env.get("NCCL_IB_HCA") or env.get("NCCL_SOCKET_IFNAME") or ""
        # `^mlx5_0` leaves devices out, `=mlx5_0` names them exactly.
        return () if direct or named.startswith("^") else tuple(filter(None, named.removeprefix("=").split(",")))

    def request_id(self, client_id: str, prefill: KvAddresses, decode: KvAddresses) -> str:
        """Return an id with both addresses; the client's own is left out, since vLLM reads all before a colon."""
        return f"___prefill_addr_{prefill.kv_address}___decode_addr_{decode.kv_address}_{secrets.token_hex(16)}"
