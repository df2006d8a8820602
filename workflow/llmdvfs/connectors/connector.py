"""What a KV connector is to this project: flags and environment of its servers, and the form of its requests."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from llmdvfs.records.spec import EngineSpec, Role

EngineVersion = tuple[int, ...]
"""Of vLLM, e.g. (0, 32, 0)."""
Device = Literal["cpu", "cuda", "external"]
Body = dict[str, Any]
"""A completion or chat request, as JSON."""


@dataclass(frozen=True, slots=True)
class KvAddresses:
    """Where one instance is reached for KV transfer."""

    host: str
    http_port: int
    kv_port: int
    """First of `tensor_parallel_size` consecutive ports: every rank listens on its own."""
    storage_folder: str
    """Shared by all instances of a deployment; only a file connector uses it."""
    engine_id: str
    """Unique among running engines."""
    tensor_parallel_size: int = 1

    @property
    def kv_address(self) -> str:
        """Return host:port of the connector."""
        return f"{self.host}:{self.kv_port}"


class Connector(ABC):
    """One way of moving the KV cache; stateless, and pure in all its methods."""

    name: ClassVar[str]
    sends_together: ClassVar[bool] = False
    """Whether prefill and decode requests are sent at once, instead of decode after prefill's answer."""

    @abstractmethod
    def refusal(self, version: EngineVersion, device: Device) -> str | None:
        """Return why this engine on this device cannot use the connector; None: it can."""

    @abstractmethod
    def kv_transfer_config(self, role: Role, version: EngineVersion, device: Device, at: KvAddresses) -> dict[str, Any]:
        """Return the value of --kv-transfer-config."""

    def flags(self, role: Role, engine: EngineSpec) -> tuple[str, ...]:
        """Return further flags that this connector needs beside the engine's settings."""
        return ()

    def env(self, role: Role, version: EngineVersion, device: Device, at: KvAddresses) -> dict[str, str]:
        """Return the environment that this connector needs."""
        return {}

    def network_devices(self, env: Mapping[str, str]) -> tuple[str, ...]:
        """Return the network devices that an instance with this environment sends KV over; none: another way is open.

        Instances of one host reach each other's GPUs directly unless they are told to take a network, as on two hosts.
        """
        return ()

    def request_id(self, client_id: str, prefill: KvAddresses, decode: KvAddresses) -> str:
        """Return the X-Request-Id of both requests."""
        return client_id

    def prefill_body(self, body: Body, request_id: str) -> Body:
        """Return the request that makes prefill compute the prompt's KV cache and nothing else."""
        return one_token(body)

    def decode_body(
        self, body: Body, request_id: str, prefill_answer: Body | None, prefill: KvAddresses, endpoint: str
    ) -> Body:
        """Return the request that streams the answer; the prefill answer is None where both are sent at once."""
        return body


def one_token(body: Body) -> Body:
    """Return the request with its answer cut to one token in one piece."""
    dropped = {"min_tokens", "stream_options", "max_completion_tokens"}
    return {key: value for key, value in body.items() if key not in dropped} | {"max_tokens": 1, "stream": False}
