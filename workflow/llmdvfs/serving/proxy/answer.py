"""One answer of an instance: what has come of it, and who is given it."""

from collections.abc import Callable
from typing import Protocol


class Receiver(Protocol):
    """Takes an answer within the reads that bring it."""

    def begin(self, status: int, content_type: bytes) -> None:
        """Take the status and the one header that is passed on."""

    def take(self, piece: bytes, is_last: bool) -> None:
        """Take what one read brought of the body: b"" where it brought the end, and nothing else."""

    def lost(self, cause: str) -> None:
        """Take note that the answer broke off, perhaps before it began."""


class Carrier(Protocol):
    """The connection that an answer comes on."""

    def pause(self) -> None:
        """Read no more."""

    def resume(self) -> None:
        """Read on from there."""

    def acknowledge_less(self) -> None:
        """Have what follows acknowledged less often."""

    def abort(self) -> None:
        """Drop the connection."""


class Answer:
    """One answer, which its receiver is given within the reads that bring it; one that is held, from `release` on."""

    __slots__ = (
        "__weakref__",
        "_is_told",
        "carrier",
        "content_type",
        "forward",
        "forwarded_last",
        "is_held",
        "is_whole",
        "pieces",
        "receiver",
        "status",
    )

    def __init__(self, receiver: Receiver, *, is_held: bool = False) -> None:
        self.receiver: Receiver | None = receiver
        """None once it was told all there is, or no longer wants to know: the two refer to each other."""
        self.forward: Callable[[bytes], None] | None = None
        """Given by the receiver: takes whole chunks as they came, in place of `take`, the last with the end of all."""
        self.forwarded_last: Callable[[], None] | None = None
        """Given with it: called when it has taken the last, in place of what `take` would tell of the end."""
        self.is_held = is_held
        self.carrier: Carrier | None = None
        """None before there is a connection, and once the answer needs it no longer."""
        self.status: int | None = None
        """None until all headers have come."""
        self.content_type = b"application/json"
        self.pieces: list[bytes] = []
        """What has come of the body since the receiver was given something."""
        self.is_whole = False
        self._is_told = False

    def release(self) -> None:
        """Hold the answer no longer."""
        self.is_held = False
        self.resume()
        self.pass_on()

    def pause(self) -> None:
        """Read no more, so that the instance has to wait."""
        if self.carrier is not None:
            self.carrier.pause()

    def resume(self) -> None:
        """Read on from where it was paused."""
        if self.carrier is not None:
            self.carrier.resume()

    def acknowledge_less(self) -> None:
        """Have what follows acknowledged less often."""
        if self.carrier is not None:
            self.carrier.acknowledge_less()

    def close(self) -> None:
        """Drop the connection, unless the answer is whole, so that the instance stops computing."""
        self._forget()
        carrier, self.carrier = self.carrier, None
        if carrier is not None:
            carrier.abort()

    def lose(self, cause: str) -> None:
        """Tell the receiver that no more will come."""
        self.carrier = None
        receiver = self.receiver
        self._forget()
        if receiver is not None:
            receiver.lost(cause)

    def pass_on(self) -> None:
        """Give the receiver what has come since it was given something."""
        receiver = self.receiver
        if receiver is None or self.status is None:
            return
        pieces = self.pieces
        if not self._is_told:
            self._is_told = True
            receiver.begin(self.status, self.content_type)
        if not pieces and not self.is_whole:
            return
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if self.is_whole:
            self._forget()
        receiver.take(piece, self.is_whole)

    def _forget(self) -> None:
        self.receiver = self.forward = self.forwarded_last = None
