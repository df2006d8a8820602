"""A connection to an instance, which carries one answer after the other: HTTP/1.1 by httptools.

Not aiohttp's client: while a token is passed on, all other streams wait, and with aiohttp two to three times as long
(docs/decisions/0004-the-proxy-reads-instances-itself.md).
"""

import asyncio
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any, cast

import httptools

from llmdvfs.serving.proxy.answer import Answer
from llmdvfs.serving.proxy.chunks import END, length_of_chunks
from llmdvfs.serving.proxy.inlet import Inlet
from llmdvfs.serving.proxy.outlet import Outlet

READ_AHEAD_BYTES = 1 << 16
FINAL_STATUS = 200  # below it an answer is interim (RFC 9110, section 15.2)


class Connection(asyncio.Protocol):
    """One connection: idle, or with an answer that is under way.

    Of an answer that is held at most READ_AHEAD_BYTES and what the last read brought are kept; the instance has to
    wait.
    """

    __slots__ = (
        "_answer",
        "_broken",
        "_give_back",
        "_inlet",
        "_is_between_chunks",
        "_is_busy",
        "_is_chunk_next",
        "_is_chunked",
        "_is_paused",
        "_is_reusable",
        "_outlet",
        "_parser",
        "idle_since_s",
    )

    def __init__(self, give_back: "Callable[[Connection], None]", inlet: Inlet) -> None:
        """Make a connection that is not open yet.

        give_back: called when it could carry another answer. inlet: what is to be read before answers.
        """
        self._give_back = give_back
        self._inlet = inlet
        self._answer: Answer
        """The one that is under way, or that was last."""
        self._is_chunked = False
        """Whether the body of the answer that is being read comes in chunks."""
        self._is_chunk_next = False
        """Whether the parser has last told of headers or a chunk that a chunk has to follow."""
        self._is_between_chunks = False
        """Whether nothing of that chunk has come yet."""
        self._is_busy = False
        self._is_reusable = True
        self._is_paused = False
        self._broken: str | None = None
        self.idle_since_s = monotonic()

    @property
    def is_open(self) -> bool:
        """Whether it can be asked."""
        return not self._outlet.transport.is_closing()

    def ask(self, answer: Answer, request: bytes) -> None:
        """Send the request; the connection is this answer's until that is whole."""
        self._answer = answer
        self._is_busy = True
        answer.carrier = self
        self._outlet.write(request)

    def pause(self) -> None:
        """Read no more, so that the instance has to wait."""
        if not self._is_paused:
            self._is_paused = True
            self._outlet.transport.pause_reading()

    def resume(self) -> None:
        """Read on from where it was paused."""
        if self._is_paused:
            self._is_paused = False
            self._outlet.transport.resume_reading()

    def acknowledge_less(self) -> None:
        """Have the kernel acknowledge two tokens at a time, and not each within the read that brings it, as it waits.

        It turns to that where nothing is sent back for 40 ms, as before many a first token; a tenth of the proxy's CPU.
        """
        if self.is_open:
            self._outlet.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)

    def abort(self) -> None:
        """Drop the connection, and tell nobody."""
        self._is_busy = False
        self._outlet.transport.abort()

    # ---- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready to be asked."""
        self._outlet = Outlet(cast(asyncio.Transport, transport))
        self._parser: Any = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        """Take what came, and after it a client's request, where there is one."""
        if not self._is_busy:  # nobody asked for it: nothing that comes next could be trusted
            self.abort()
            return
        self._take(data)
        self._inlet.after_token()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the receiver that the answer broke off."""
        self._parser = None  # the two refer to each other
        if self._is_busy:
            self._is_busy = False
            self._answer.lose(self._broken or str(error or "it closed the connection before the end of the answer"))

    def _take(self, data: bytes) -> None:
        """Give what came to the answer's receiver at once, unless it is held."""
        answer = self._answer
        if self._is_between_chunks and answer.forward is not None:
            length = length_of_chunks(data)
            if length == len(data):
                answer.forward(data)  # and the parser stays where it is
                return
            if length and data[length:] == END:
                answer.carrier = None  # all has come: there is nothing left to pause or to cancel
                answer.forward(data)
                if answer.forwarded_last is not None:
                    answer.forwarded_last()
                data = END
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._broken = f"it does not speak HTTP: {error}"
            self._outlet.transport.abort()  # connection_lost follows
        self._is_between_chunks = self._is_chunk_next and data.endswith(b"\r\n")
        if answer.is_whole:
            self._end()
        if not answer.is_held:
            answer.pass_on()
        elif sum(map(len, answer.pieces)) > READ_AHEAD_BYTES:
            answer.pause()

    def _end(self) -> None:
        """Be idle again, or close."""
        self._is_busy = False
        self._answer.carrier = None
        if self._is_reusable and self.is_open:
            self.idle_since_s = monotonic()
            self._give_back(self)
        else:
            self._outlet.transport.close()

    # ---- called by the parser, of the answer that is under way

    def on_message_begin(self) -> None:
        """Stop the parser where a second answer follows the one that was asked for."""
        if self._answer.is_whole:
            raise ValueError("an answer that nobody asked for")
        self._is_chunked = self._is_chunk_next = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the one header that is passed on, and whether chunks follow."""
        name = name.lower()
        if name == b"content-type":
            self._answer.content_type = value
        elif name == b"transfer-encoding":
            self._is_chunked = value.lower() == b"chunked"

    def on_headers_complete(self) -> None:
        """Begin, unless this is an interim answer (100 Continue, say): the one that counts follows it."""
        status = self._parser.get_status_code()
        if status >= FINAL_STATUS:
            self._answer.status = status
            self._is_chunk_next = self._is_chunked

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body until it is passed on."""
        self._answer.pieces.append(body)

    def on_chunk_header(self) -> None:
        """Note that a chunk has begun."""
        self._is_chunk_next = False

    def on_chunk_complete(self) -> None:
        """Note that a chunk has ended."""
        self._is_chunk_next = True

    def on_message_complete(self) -> None:
        """Note that the answer is whole."""
        if self._answer.status is not None:
            self._answer.is_whole = True
            self._is_reusable = self._parser.should_keep_alive()
