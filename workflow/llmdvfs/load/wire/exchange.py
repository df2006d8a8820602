"""Holds one request and the raw bytes of its answer, as the socket gave them."""

from dataclasses import dataclass, field
from typing import Literal

Failure = Literal["timeout", "refused", "reset", "closed"]
"""closed: the server ended the connection in good order, which is the end of an answer that states no length."""

FINAL_STATUS = 200  # below it an answer is interim (100 Continue, 103 Early Hints): the one that counts follows it


@dataclass(slots=True)
class Exchange:
    """Filled while the load runs, read after it. Instants are CLOCK_MONOTONIC nanoseconds."""

    index: int
    request_id: str
    wave: int | None
    num_prompt_tokens: int | None
    """As asked; None: the server turns a text into tokens."""
    num_output_tokens: int
    """As asked for in the request."""
    scheduled_mono_ns: int = 0
    sent_mono_ns: int | None = None
    reads: list[tuple[int, bytes]] = field(default_factory=list)
    """(instant, bytes) of every read."""
    end_mono_ns: int | None = None
    failure: Failure | None = None
    """What the transport saw; what the answer itself says is found after the run."""
    cause: str | None = None

    @property
    def is_sent(self) -> bool:
        """Return whether it is on its way."""
        return self.sent_mono_ns is not None

    @property
    def last_sign_mono_ns(self) -> int:
        """Return when the server was last heard of, or else the request sent."""
        return self.reads[-1][0] if self.reads else self.sent_mono_ns or 0
