"""One request of a client: prefill then decode, or one of several instances, and the answer as it comes."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from llmdvfs.clock import mono_ns
from llmdvfs.connectors.connector import Body
from llmdvfs.routing.balancer import Backend
from llmdvfs.routing.failure import BAD_GATEWAY, UpstreamFailed, broke_off, error_body, request_failed
from llmdvfs.routing.pair import UNREADABLE
from llmdvfs.serving.proxy.handover import Handover
from llmdvfs.serving.proxy.journal import Stamps
from llmdvfs.serving.proxy.legs import Legs
from llmdvfs.serving.proxy.relay import Relay

CLIENT_GONE = 499  # nginx's status for a client that closed the connection; recorded, never sent
BAD_REQUEST = 400
PROXY_FAULT = 500
_BODY = msgspec.json.Decoder(dict[str, msgspec.Raw])
"""Reads names alone: a prompt of many thousand ids goes on as it came."""


class Client(Protocol):
    """Whom a request came from."""

    @property
    def forward(self) -> Callable[[bytes], None] | None:
        """What sends chunks of the answer as they came, after the first piece; None: they are not for this client."""

    def begin(self, status: int, content_type: bytes, request_id: str) -> None:
        """Keep the status and headers of the answer until its first piece comes, or `refuse` brings another answer."""

    def forward_first(self, chunks: bytes) -> None:
        """Send what is kept, and after it chunks as they came; for a client that has `forward`."""

    def take(self, piece: bytes, is_last: bool) -> None:
        """Send a piece of the answer, with what is kept before it and, where it is the last, the end after it."""

    def refuse(self, status: int, body: bytes) -> None:
        """Send a whole answer of JSON."""

    def ended(self) -> None:
        """Take note that all was sent: the exchange is to be closed."""


class Exchange:
    """One request: `start` it; `close` it in any case.

    What is sent to an instance goes within the read that brought what it is made of, status and pieces of its answer
    to the client within the read that brought them: there is no task and no future, and so no turn of the event loop
    to wait for, unless a connection has to be opened.
    """

    def __init__(self, relay: Relay, endpoint: str, content: bytes, stamps: Stamps, client: Client) -> None:
        self._relay = relay
        self._content = content
        self._client = client
        self._stamps = stamps
        self._legs = Legs(relay, endpoint, stamps)
        self._handover: Handover | None = None
        self._decode: Backend

    def start(self) -> None:
        """Ask the instance that streams, or before it prefill; where prefill fails, decode is never asked."""
        try:
            if self._relay.prefill is None:
                self._decode = self._legs.take(self._relay.decode)
                self._legs.ask(self._decode, self._content, self._stamps.request_id, self)
            else:
                # A balancer never looks into the body.
                self._handover = Handover(self._legs, _json_object(self._content), self, self._fail)
                self._decode = self._handover.decode
                self._handover.start()
        except Exception as error:
            self._fail(error)

    def pause(self) -> None:
        """Let the instance wait until the client has taken what it was sent."""
        if self._legs.answer is not None:
            self._legs.answer.pause()

    def resume(self) -> None:
        """Read on from where it was paused."""
        if self._legs.answer is not None:
            self._legs.answer.resume()

    def close(self) -> None:
        """End the request: cancel what is unfinished upstream, count it as ended, and write its stamps."""
        self._legs.close()
        handover, self._handover = self._handover, None  # the two refer to each other
        if handover is not None:
            handover.close()
        stamps = self._stamps
        if stamps.last_byte_mono_ns is None and stamps.error is None:
            stamps.status, stamps.error = CLIENT_GONE, "the client closed the connection"
        self._relay.journal.write(stamps)

    # ---- called by the answer

    def begin(self, status: int, content_type: bytes) -> None:
        """Have status and content type passed on with the first piece."""
        self._stamps.headers_mono_ns = mono_ns()
        self._stamps.status = status
        self._client.begin(status, content_type, self._stamps.request_id)
        answer = self._legs.answer
        if answer is not None and self._client.forward is not None:
            answer.forward, answer.forwarded_last = self._forward_first, self._forwarded_last

    def take(self, piece: bytes, is_last: bool) -> None:
        """Pass a piece of the answer on."""
        stamps = self._stamps
        is_first = bool(piece) and stamps.first_byte_mono_ns is None
        if is_first:
            stamps.first_byte_mono_ns = mono_ns()
        if is_last:
            stamps.last_byte_mono_ns = mono_ns()
        self._client.take(piece, is_last)
        if is_last:
            self._client.ended()
        elif is_first:
            self._stream_on()

    def lost(self, cause: str) -> None:
        """Tell the client that the answer broke off: by an error event in it, or before its first piece by another."""
        if self._stamps.first_byte_mono_ns is not None:
            self._decode.failed += 1
            self._stamps.error = broke_off(self._decode.upstream.name, cause)
            self._client.take(b"data: " + error_body(self._stamps.error, BAD_GATEWAY) + b"\n\n", True)
            self._client.ended()
        else:
            self._fail(self._legs.failed(self._decode, request_failed(self._decode.upstream.name, cause)))

    # ----

    def _forward_first(self, chunks: bytes) -> None:
        """Stamp the first chunks and send them."""
        self._stamps.first_byte_mono_ns = mono_ns()
        self._client.forward_first(chunks)
        self._stream_on()

    def _stream_on(self) -> None:
        """Have chunks go to the client without a step here, of every second answer among several from its third on.

        Tokens are acknowledged two at a time from then on: of answers in step one half are at the odd tokens, the other
        at the even ones. All at once, every second step took longer than the one before it.
        """
        answer = self._legs.answer
        if answer is not None:
            answer.forward = self._client.forward
            if answer.forward is not None and self._decode.in_flight > 1 and next(self._relay.is_later):
                answer.forward = self._forward_second
            else:
                answer.acknowledge_less()

    def _forward_second(self, chunks: bytes) -> None:
        """Send the second chunks, and go on as other answers do from the first."""
        answer, forward = self._legs.answer, self._client.forward
        if answer is not None and forward is not None:
            forward(chunks)
            answer.forward = forward
            answer.acknowledge_less()

    def _forwarded_last(self) -> None:
        """End the request, now that the last byte has gone: what runs once an answer is cold, and would delay it."""
        self._stamps.last_byte_mono_ns = mono_ns()
        self._client.ended()

    def _fail(self, error: Exception) -> None:
        """End the request with an answer that says why; one that no instance caused is a fault of this program."""
        if isinstance(error, UpstreamFailed):
            failed = error
        else:
            asyncio.get_running_loop().call_exception_handler({"message": "a request failed", "exception": error})
            failed = UpstreamFailed(PROXY_FAULT, f"the proxy failed: {error!r}")
        self._stamps.status, self._stamps.error = failed.status, str(failed)
        self._client.refuse(failed.status, failed.body)
        self._client.ended()


def _json_object(content: bytes) -> Body:
    """Return a request's body; UpstreamFailed: it is not a JSON object."""
    try:
        return _BODY.decode(content)
    except UNREADABLE as error:
        raise UpstreamFailed(BAD_REQUEST, f"the request's body is not a JSON object: {error}") from error
