"""Connector NIXL, pushing: decode registers its blocks while prefill computes, and prefill writes into them."""

from llmdvfs.connectors.connector import Body, Device, EngineVersion
from llmdvfs.connectors.nixl import NixlConnector
from llmdvfs.records.route import KvAddresses
from llmdvfs.records.spec import Role


class NixlPushConnector(NixlConnector):
    """Both requests go out at once; the engines match them by their common request id."""

    name = "nixl_push"
    class_name = "NixlPushConnector"
    sends_together = True

    def refusal(self, version: EngineVersion, device: Device) -> str | None:
        """Return why it cannot be used: vLLM 0.24 brought it."""
        if version < (0, 24):
            return "nixl_push came with vLLM 0.24; take nixl"
        return super().refusal(version, device)

    def env(self, role: Role, version: EngineVersion, device: Device, at: KvAddresses) -> dict[str, str]:
        """Return variables that keep request ids as sent: decode must know prefill's before prefill has answered."""
        return super().env(role, version, device, at) | {"VLLM_DISABLE_REQUEST_ID_RANDOMIZATION": "1"}

    def decode_body(
        self, body: Body, request_id: str, prefill_answer: Body | None, prefill: KvAddresses, endpoint: str
    ) -> Body:
        """Return the decode request, which names the prefill engine that will write."""
        # vLLM's own ids: one sub-request a prompt for completions, one a request for chat.
        remote_request_id = f"chatcmpl-{request_id}" if "chat" in endpoint else f"cmpl-{request_id}-0"
        return body | {
            "kv_transfer_params": {
                "do_remote_decode": False,
                "do_remote_prefill": True,
                "remote_engine_id": prefill.engine_id,
                "remote_request_id": remote_request_id,
                "remote_block_ids": None,
                "remote_host": prefill.host,
                "remote_port": prefill.kv_port,
                "tp_size": prefill.tensor_parallel_size,
                "transfer_id": request_id,
            }
        }
