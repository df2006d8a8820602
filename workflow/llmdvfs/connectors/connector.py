"""What this project has to know of a KV connector: flags and environment of its servers, form of its requests."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from llmdvfs.records.route import KvAddresses
from llmdvfs.records.spec import EngineSpec, Role

EngineVersion = tuple[int, ...]
"""Of vLLM, e.g. (0, 32, 0)."""
Device = Literal["cpu", "cuda", "external"]
Body = dict[str, Any]
"""A completion or chat request. A value may be JSON already (msgspec.Raw), as it came: it goes on untouched."""


class Connector(ABC):
    """One way of moving the KV cache.

    Connectors have no state, and their methods change nothing.
    """

    name: ClassVar[str]
    sends_together: ClassVar[bool] = False
    """Whether prefill and decode requests are sent at once, instead of decode after prefill's answer."""

    @abstractmethod
    def refusal(self, version: EngineVersion, device: Device) -> str | None:
        """Return why this engine on this device cannot use the connector; None: it can."""

    @abstractmethod
    def kv_transfer_config(self, role: Role, version: EngineVersion, device: Device, at: KvAddresses) -> dict[str, Any]:
        """Return the value of vLLM's --kv-transfer-config for an instance of this role."""

    def flags(self, role: Role, engine: EngineSpec) -> tuple[str, ...]:
        """Return the flags that this connector needs beside those of the engine's settings."""
        return ()

    def env(self, role: Role, version: EngineVersion, device: Device, at: KvAddresses) -> dict[str, str]:
        """Return the environment variables that this connector needs."""
        return {}

    def network_devices(self, env: Mapping[str, str]) -> tuple[str, ...]:
        """Return the network devices over which an instance with this environment sends KV cache.

        It is empty where another way is open: instances of one host reach each other's GPUs directly unless they are
        told to take a network, as on two hosts.
        """
        return ()

    def request_id(self, client_id: str, prefill: KvAddresses, decode: KvAddresses) -> str:
        """Return the X-Request-Id that both the prefill and the decode request carry."""
        return client_id

    def prefill_body(self, body: Body, request_id: str) -> Body:
        """Return the request that makes prefill compute the prompt's KV cache and nothing else."""
        return one_token(body)

    def decode_body(
        self, body: Body, request_id: str, prefill_answer: Body | None, prefill: KvAddresses, endpoint: str
    ) -> Body:
        """Return the request whose answer is streamed to the client.

        prefill_answer: None where both requests are sent at once.
        """
        return body


NOT_FOR_PREFILL = frozenset(
    {
        *("min_tokens", "max_completion_tokens", "stream_options"),  # they contradict one token that is not streamed
        # vLLM would answer with all ids of the prompt, 7 bytes each, which nobody reads and which are part of the TTFT.
        "return_token_ids",
    }
)


def one_token(body: Body) -> Body:
    """Return the request with its answer cut to one token, not streamed."""
    cut = body | {"max_tokens": 1, "stream": False}
    for name in NOT_FOR_PREFILL:
        cut.pop(name, None)
    return cut
