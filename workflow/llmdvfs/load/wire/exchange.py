"""Holds one request, and the raw bytes of its answer as they came from the socket."""

from dataclasses import dataclass, field
from typing import Literal

Failure = Literal["timeout", "refused", "reset", "closed", "handover"]
"""closed: the server ended the connection in good order, which is the end of an answer that states no length.

handover: a prefill instance answered, but not with what decode needs (route `direct`)."""

FINAL_STATUS = 200  # below it an answer is interim (100 Continue, 103 Early Hints): the one that counts follows it


@dataclass(slots=True)
class Hops:
    """The instances that the client itself asked for one request (route `direct`), and when; None: it did not."""

    prefill_instance: str | None = None
    prefill_sent_mono_ns: int | None = None
    prefill_done_mono_ns: int | None = None
    """The whole answer to the prefill request has been read."""
    decode_instance: str | None = None
    """The instance that streams."""
    decode_sent_mono_ns: int | None = None
    is_streamed: bool = False
    """Whether what was read is of the instance that streams, and not of prefill."""


@dataclass(slots=True)
class Exchange:
    """One request and its answer: filled while the load runs, read after it.

    Instants are CLOCK_MONOTONIC nanoseconds; None: it has not happened.
    """

    index: int
    request_id: str
    wave: int | None
    num_prompt_tokens: int | None
    """Prompt tokens asked for; None where the server turns a text into tokens."""
    num_output_tokens: int
    """Output tokens asked for."""
    scheduled_mono_ns: int = 0
    sent_mono_ns: int | None = None
    reads: list[tuple[int, bytes]] = field(default_factory=list)
    """(instant, bytes) of every read, in order."""
    end_mono_ns: int | None = None
    failure: Failure | None = None
    """What failed in the transport; what the answer itself says is found after the run. None: nothing."""
    cause: str | None = None
    hops: Hops | None = None
    """None: the request went to the one address that the load is for."""

    @property
    def is_sent(self) -> bool:
        """Whether the request has been written to a socket."""
        return self.sent_mono_ns is not None

    @property
    def last_sign_mono_ns(self) -> int:
        """Return when the server was last heard of, or else when the request was sent."""
        return self.reads[-1][0] if self.reads else self.sent_mono_ns or 0
