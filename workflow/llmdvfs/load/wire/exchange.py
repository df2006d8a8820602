"""Holds one request, and the raw bytes of its answer as they came from the socket."""

from dataclasses import dataclass, field
from typing import Literal

Failure = Literal["timeout", "refused", "reset", "closed"]
"""closed: the server ended the connection in good order, which is the end of an answer that states no length."""

FINAL_STATUS = 200  # below it an answer is interim (100 Continue, 103 Early Hints): the one that counts follows it


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

    @property
    def is_sent(self) -> bool:
        """Whether the request has been written to a socket."""
        return self.sent_mono_ns is not None

    @property
    def last_sign_mono_ns(self) -> int:
        """Return when the server was last heard of, or else when the request was sent."""
        return self.reads[-1][0] if self.reads else self.sent_mono_ns or 0
