"""One request of a load to one of several instances that are alike."""

from collections.abc import Callable
from time import monotonic_ns

from llmdvfs.load.sending.feed import ReadyRequest
from llmdvfs.load.wire.exchange import Exchange, Failure, Hops
from llmdvfs.load.wire.leg import Instance, Leg
from llmdvfs.routing.failure import broke_off, request_failed


class Balanced:
    """One request, asked of one instance."""

    def __init__(
        self, request: ReadyRequest, instance: Instance, on_end: "Callable[[Balanced, str | None], None]"
    ) -> None:
        self.exchange = request.exchange
        self._content = request.rendered
        self._leg = Leg(instance, self.exchange, self._answered)
        self.exchange.hops = self._hops = Hops(decode_instance=self._leg.name, is_streamed=True)
        self._on_end = on_end

    def start(self) -> None:
        """Ask the instance."""
        self._leg.send(self._content, self.exchange.request_id)

    def abandon(self, failure: Failure, cause: str) -> None:
        """Fail the exchange with this cause, and drop the connection."""
        self._leg.drop()
        self.exchange.failure, self.exchange.cause = failure, f"{self._leg.name}: {cause}"
        self.exchange.end_mono_ns = monotonic_ns()
        self._end(self.exchange.cause)

    def drop(self) -> None:
        """Let it be over, and tell nobody."""
        self._leg.drop()

    def _answered(self, leg: Leg) -> None:
        self._end(why_failed(self.exchange, leg))

    def _end(self, cause: str | None) -> None:
        self._hops.decode_sent_mono_ns = self.exchange.sent_mono_ns
        self._on_end(self, cause)


def why_failed(exchange: Exchange, streaming: Leg) -> str | None:
    """Return why the instance that streams failed a request, which its exchange is told too; None: it did not.

    exchange: the request's own, with the answer of the leg that has ended.
    """
    if exchange.failure is not None:
        words = broke_off if exchange.reads else request_failed
        exchange.cause = words(streaming.name, exchange.cause or exchange.failure)
    elif streaming.status != 200:
        exchange.cause = f"{streaming.name} answered {streaming.status}"
    return exchange.cause
