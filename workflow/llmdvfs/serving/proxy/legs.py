"""The requests to instances that one request of a client is made of."""

from llmdvfs.clock import mono_ns
from llmdvfs.routing.balancer import Backend, Balancer
from llmdvfs.routing.failure import BAD_GATEWAY, UpstreamFailed, request_failed
from llmdvfs.serving.proxy.journal import Stamps
from llmdvfs.serving.proxy.relay import Relay
from llmdvfs.serving.proxy.upstream import ResponseStream


class Legs:
    """Which instances a request keeps busy, the answer that its client is given, and its stamps."""

    def __init__(self, relay: Relay, endpoint: str, stamps: Stamps) -> None:
        self.relay = relay
        self.endpoint = endpoint
        self.stamps = stamps
        self.answer: ResponseStream | None = None
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

    def ask_now(self, decode: Backend, content: bytes, request_id: str) -> ResponseStream | None:
        """Ask the instance that streams, if a connection to it is idle; None: none is."""
        self._stamp(decode)
        self.answer = self.relay.pools[decode.upstream.name].ask_now(self.endpoint, content, request_id)
        return self.answer

    async def ask(self, decode: Backend, content: bytes, request_id: str) -> ResponseStream:
        """Ask the instance that streams, on a new connection where none is idle; UpstreamFailed: nobody is there."""
        self._stamp(decode)
        try:
            self.answer = await self.relay.pools[decode.upstream.name].ask(self.endpoint, content, request_id)
        except OSError as error:
            raise self.failed(decode, request_failed(decode.upstream.name, words(error))) from error
        return self.answer

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

    def _stamp(self, decode: Backend) -> None:
        self.stamps.decode_instance = decode.upstream.name
        self.stamps.decode_sent_mono_ns = mono_ns()


def words(error: BaseException) -> str:
    """Return what an exception says, or its name where it says nothing."""
    return str(error) or type(error).__name__
