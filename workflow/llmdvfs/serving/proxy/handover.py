"""A request on its way through prefill to decode, as its connector wants it."""

from collections.abc import Callable

from llmdvfs.clock import mono_ns
from llmdvfs.connectors.connector import Body
from llmdvfs.routing.failure import prefill_failed
from llmdvfs.routing.pair import OK, Pair
from llmdvfs.serving.proxy.answer import Answer, Receiver
from llmdvfs.serving.proxy.legs import Legs


class Handover:
    """One request and the two that it becomes. It takes prefill's answer itself; decode's goes to the receiver.

    Decode is asked within the read that brought prefill's answer, or, where the connector wants both at once, together
    with prefill; its answer is then held until prefill has given what it should.
    """

    def __init__(self, legs: Legs, body: Body, receiver: Receiver, on_failure: Callable[[Exception], None]) -> None:
        """Choose the instances and form the requests; nothing is sent yet.

        on_failure: told why the request cannot go on; decode is then not asked, or asked no longer.
        """
        relay = legs.relay
        assert relay.prefill is not None
        self._legs = legs
        self._receiver = receiver
        self._on_failure = on_failure
        self._prefill, self.decode = legs.take(relay.prefill), legs.take(relay.decode)
        self._pair = Pair(
            relay.connector,
            self._prefill.upstream,
            self.decode.upstream,
            legs.endpoint,
            body,
            legs.stamps.request_id,
        )
        self._prefilling: Answer | None = None
        self._status: int
        self._pieces: list[bytes] = []

    def start(self) -> None:
        """Ask prefill; and decode too, where the connector wants both at once."""
        content, request_id, stamps = self._pair.prefill_content(), self._pair.request_id, self._legs.stamps
        stamps.prefill_instance = self._prefill.upstream.name
        stamps.prefill_sent_mono_ns = mono_ns()
        pool = self._legs.relay.pools[self._prefill.upstream.name]
        self._prefilling = pool.ask(self._legs.endpoint, content, request_id, self)
        if self._pair.goes_together:
            self._ask_decode(self._pair.decode_content(None), is_held=True)

    def close(self) -> None:
        """Cancel prefill, where it is unfinished."""
        if self._prefilling is not None:
            self._prefilling.close()

    # ---- called by prefill's answer

    def begin(self, status: int, content_type: bytes) -> None:
        """Keep the status."""
        self._status = status

    def take(self, piece: bytes, is_last: bool) -> None:
        """Keep a piece; with the last one go on to decode."""
        self._pieces.append(piece)
        if not is_last:
            return
        try:
            self._go_on(b"".join(self._pieces))
        except Exception as error:  # raised to the loop, it would end prefill's connection and nobody's waiting
            self._on_failure(error)

    def lost(self, cause: str) -> None:
        """End the request, since decode would wait for ever."""
        self._on_failure(self._legs.failed(self._prefill, prefill_failed(self._prefill.upstream.name, cause)))

    # ----

    def _go_on(self, whole: bytes) -> None:
        self._legs.stamps.prefill_done_mono_ns = mono_ns()
        self._legs.release(self._prefill)
        self._prefill.failed += self._status != OK
        prefilled = self._pair.prefilled(self._status, whole)
        if self._pair.goes_together:
            assert self._legs.answer is not None
            self._legs.answer.release()
        else:
            self._ask_decode(self._pair.decode_content(prefilled))

    def _ask_decode(self, content: bytes, *, is_held: bool = False) -> None:
        self._legs.ask(self.decode, content, self._pair.request_id, self._receiver, is_held=is_held)
