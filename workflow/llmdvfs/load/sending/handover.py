"""One request of a load on its way through prefill to decode, without a proxy."""

from collections.abc import Callable
from time import monotonic_ns

from llmdvfs.load.sending.balanced import why_failed
from llmdvfs.load.sending.feed import ReadyRequest
from llmdvfs.load.wire.body import whole_body
from llmdvfs.load.wire.exchange import Exchange, Failure, Hops
from llmdvfs.load.wire.leg import Instance, Leg
from llmdvfs.routing.failure import UpstreamFailed, prefill_failed
from llmdvfs.routing.pair import OK, Pair


class Handover:
    """One request and the two that it becomes.

    Its exchange goes with the prefill request, so that it is sent when that is, and fails as that does. Decode's answer
    takes the place of prefill's.
    """

    def __init__(
        self,
        request: ReadyRequest,
        pair: Pair,
        prefill: Instance,
        decode: Instance,
        on_end: "Callable[[Handover, str | None], None]",
    ) -> None:
        self.exchange = exchange = request.exchange
        self._pair = pair
        self._prefill = Leg(prefill, exchange, self._prefilled)
        streamed = Exchange(exchange.index, exchange.request_id, None, None, exchange.num_output_tokens)
        self._decode = Leg(decode, streamed, self._streamed)
        self.exchange.hops = self._hops = Hops(self._prefill.name)
        self._on_end = on_end

    def start(self) -> None:
        """Ask prefill; and decode too, where the connector wants both at once."""
        self._prefill.send(self._pair.prefill_content(), self._pair.request_id)
        if self._pair.goes_together and not self._decode.is_over:
            self._ask_decode(self._pair.decode_content(None))

    def abandon(self, failure: Failure, cause: str) -> None:
        """Fail the exchange with this cause and the instance that it waits for, and drop what is under way."""
        waits_for = self._decode if self._prefill.is_over else self._prefill
        self._fail(failure, f"{waits_for.name}: {cause}")

    def drop(self) -> None:
        """Let it be over, and tell nobody."""
        self._prefill.drop()
        self._decode.drop()

    def _prefilled(self, leg: Leg) -> None:
        """Go on to decode; where prefill failed, decode is never asked, or asked no longer."""
        exchange = self.exchange
        if exchange.failure is not None:
            self._fail(exchange.failure, prefill_failed(leg.name, exchange.cause or exchange.failure))
            return
        self._hops.prefill_done_mono_ns = exchange.end_mono_ns
        try:
            prefilled = self._pair.prefilled(leg.status or 0, whole_body(exchange.reads))
            content = None if self._pair.goes_together else self._pair.decode_content(prefilled)
        except UpstreamFailed as failed:
            # A refusal is the answer of this request, as a proxy passes it on; what decode cannot use is none.
            self._fail(None if leg.status != OK else "handover", str(failed))
            return
        exchange.end_mono_ns = None
        self._take_over()
        if content is not None:
            self._ask_decode(content)
        elif self._decode.is_over:
            self._finish()

    def _ask_decode(self, content: bytes) -> None:
        self._hops.decode_instance = self._decode.name
        self._decode.send(content, self._pair.request_id)

    def _streamed(self, leg: Leg) -> None:
        """End with decode; where it answered before prefill has, prefill is waited for, unless decode broke off."""
        if self._prefill.is_over or leg.exchange.failure is not None:
            self._finish()

    def _take_over(self) -> None:
        """Let decode's answer be that of the request, also while it comes."""
        self.exchange.reads = self._decode.exchange.reads
        self._hops.is_streamed = True

    def _finish(self) -> None:
        exchange, streamed = self.exchange, self._decode.exchange
        self._take_over()
        exchange.end_mono_ns, exchange.failure, exchange.cause = streamed.end_mono_ns, streamed.failure, streamed.cause
        self._end(why_failed(exchange, self._decode))

    def _fail(self, failure: Failure | None, cause: str) -> None:
        self.exchange.failure, self.exchange.cause = failure, cause
        self.exchange.end_mono_ns = monotonic_ns()
        self._end(cause)

    def _end(self, cause: str | None) -> None:
        self._hops.prefill_sent_mono_ns = self.exchange.sent_mono_ns
        self._hops.decode_sent_mono_ns = self._decode.exchange.sent_mono_ns
        self.drop()
        self._on_end(self, cause)
