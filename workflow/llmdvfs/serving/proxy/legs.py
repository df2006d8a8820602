"""The requests to instances that one request of a client is made of."""

from llmdvfs.clock import mono_ns
from llmdvfs.routing.balancer import Backend, Balancer
from llmdvfs.routing.failure import BAD_GATEWAY, UpstreamFailed
from llmdvfs.serving.proxy.answer import Answer, Receiver
from llmdvfs.serving.proxy.journal import Stamps
from llmdvfs.serving.proxy.relay import Relay


class Legs:
    """Which instances a request keeps busy, the answer that its client is given, and its stamps."""

    def __init__(self, relay: Relay, endpoint: str, stamps: Stamps) -> None:
        self.relay = relay
        self.endpoint = endpoint
        self.stamps = stamps
        self.answer: Answer | None = None
        """That of the instance that streams, once it was asked."""
        self._busy: list[Backend] = []

    def take(self, balancer: Balancer) -> Backend:
        """Return the instance that this request goes to, which is busy with it from now on."""
        backend = balancer.take()
        self._busy.append(backend)
        return backend

    def release(self, backend: Backend) -> None:
        """Note that an instance has done its part."""
        backend.release()
        self._busy.remove(backend)

    def ask(
        self, decode: Backend, content: bytes, request_id: str, receiver: Receiver, *, is_held: bool = False
    ) -> None:
        """Ask the instance that streams, for a receiver; is_held: it is given nothing before the answer's `release`."""
        name = decode.upstream.name
        self.stamps.decode_instance = name
        self.stamps.decode_sent_mono_ns = mono_ns()
        self.answer = self.relay.pools[name].ask(self.endpoint, content, request_id, receiver, is_held=is_held)

    def failed(self, backend: Backend, words: str) -> UpstreamFailed:
        """Count an instance's failure and return it, told in these words, as an exception."""
        backend.failed += 1
        return UpstreamFailed(BAD_GATEWAY, words)

    def close(self) -> None:
        """Cancel what is unfinished upstream, and count all of it as ended."""
        if self.answer is not None:
            self.answer.close()
        for backend in self._busy:
            backend.release()
