"""Connector NIXL, pulling: decode reads prefill's blocks after prefill has answered."""

from collections.abc import Mapping
from typing import Any

from llmdvfs.connectors.connector import Body, Connector, Device, EngineVersion, one_token
from llmdvfs.records.route import KvAddresses
from llmdvfs.records.spec import Role

DIRECT_TRANSPORTS = frozenset({"all", "cuda", "cuda_ipc"})
"""Values of UCX_TLS with which one GPU's memory is read from another one."""

REMOTE_DECODE = {
    "do_remote_decode": True,
    "do_remote_prefill": False,
    "remote_engine_id": None,
    "remote_block_ids": None,
    "remote_host": None,
    "remote_port": None,
}
"""The transfer parameters that a prefill request carries."""


class NixlConnector(Connector):
    """Prefill's answer says where its blocks lie; the decode request hands that on unchanged."""

    name = "nixl"
    class_name = "NixlConnector"

    def refusal(self, version: EngineVersion, device: Device) -> str | None:
        """Return why it cannot be used: on a CPU only recent versions have it, on a GPU every supported one."""
        if device == "cpu" and version < (0, 14):
            return "NIXL through host memory on a CPU needs vLLM 0.14 or newer"
        return None

    def kv_transfer_config(self, role: Role, version: EngineVersion, device: Device, at: KvAddresses) -> dict[str, Any]:
        """Return the configuration of a role; on a CPU buffers lie in host memory and no extra threads spin."""
        config: dict[str, Any] = {
            "kv_connector": self.class_name,
            "kv_role": "kv_producer" if role == "prefill" else "kv_consumer",
            "engine_id": at.engine_id,
        }
        if device == "cpu":
            config |= {"kv_buffer_device": "cpu", "kv_connector_extra_config": {"num_threads": 0}}
        return config

    def env(self, role: Role, version: EngineVersion, device: Device, at: KvAddresses) -> dict[str, str]:
        """Return the address of the instance's own side channel."""
        env = {"VLLM_NIXL_SIDE_CHANNEL_HOST": at.host, "VLLM_NIXL_SIDE_CHANNEL_PORT": str(at.kv_port)}
        return env | ({"UCX_TLS": "tcp,self"} if device == "cpu" else {})

    def network_devices(self, env: Mapping[str, str]) -> tuple[str, ...]:
        """Return UCX_NET_DEVICES where UCX_TLS leaves nothing that joins GPUs directly."""
        wanted = env.get("UCX_TLS", "all")
        named = wanted.removeprefix("^").split(",")
        direct = DIRECT_TRANSPORTS.isdisjoint(named) == wanted.startswith("^")
        return () if direct else tuple(filter(None, env.get("UCX_NET_DEVICES", "").split(",")))

    def prefill_body(self, body: Body, request_id: str) -> Body:
        """Return the prefill request, which asks prefill to keep its blocks for a reader."""
        return one_token(body) | {"kv_transfer_params": REMOTE_DECODE}

    def decode_body(
        self, body: Body, request_id: str, prefill_answer: Body | None, prefill: KvAddresses, endpoint: str
    ) -> Body:
        """Return the decode request, which says where prefill's blocks lie."""
        params = (prefill_answer or {}).get("kv_transfer_params")
        if not params:
            # Without it decode would compute the prompt itself, and nobody would notice.
            raise ValueError("the prefill answer carries no kv_transfer_params")
        return body | {"kv_transfer_params": params}
