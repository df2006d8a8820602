"""Decides which request is sent when; there is one pacer for each kind of load."""

import asyncio
from collections.abc import Callable
from time import monotonic_ns
from typing import Protocol

from llmdvfs.clock import NS_PER_S
from llmdvfs.load.sending.feed import Feed, ReadyRequest
from llmdvfs.load.wire.exchange import Exchange

Dispatch = Callable[[ReadyRequest, int], None]
"""Sends a request now; the integer is its scheduled instant [mono ns]."""


class Pacer(Protocol):
    """Sends the requests of a load at their times; `finished` says that it will send no more."""

    finished: bool

    def begin(self, begin_mono_ns: int) -> None:
        """Start the load; begin_mono_ns is the instant at which its schedule begins."""
        ...

    def done(self, exchange: Exchange) -> None:
        """Take note that a request has ended, well or not."""
        ...


class ClosedLoop:
    """Keeps a fixed number of requests in flight: each one that ends makes the next one due.

    It ends after duration_s if min_requests were sent by then, else with the last of those, at max_duration_s at the
    latest. None: that limit does not exist.
    """

    def __init__(
        self,
        feed: Feed,
        dispatch: Dispatch,
        *,
        concurrency: int,
        duration_s: float | None,
        min_requests: int | None = None,
        max_duration_s: float | None = None,
    ) -> None:
        self._feed, self._dispatch, self._concurrency, self._duration_s = feed, dispatch, concurrency, duration_s
        self._num_owed = min_requests or 0
        self._max_duration_s = max_duration_s
        self._free: list[int] = []
        self.finished = False

    def begin(self, begin_mono_ns: int) -> None:
        """Send as many requests as are to be in flight at any time."""
        self._begin_mono_ns = begin_mono_ns
        self._free = [begin_mono_ns] * self._concurrency
        self._refill()

    def done(self, exchange: Exchange) -> None:
        """Take note of a free place; it is filled when all reads that wait in the sockets have been stamped."""
        if not self._free:
            asyncio.get_running_loop().call_soon(self._refill)
        self._free.append(exchange.end_mono_ns or monotonic_ns())

    def _refill(self) -> None:
        free, self._free = self._free, []
        for scheduled_mono_ns in free:
            request = None if self._is_over(scheduled_mono_ns) else self._feed.pop()
            if request is None:
                self.finished = True
                return
            self._num_owed -= 1
            self._dispatch(request, scheduled_mono_ns)

    def _is_over(self, now_mono_ns: int) -> bool:
        limit_s = self._duration_s if self._num_owed <= 0 else self._max_duration_s
        return limit_s is not None and now_mono_ns >= self._begin_mono_ns + int(limit_s * NS_PER_S)


class Waves:
    """Sends all requests of a wave at once, waits until the last of them has ended, and sends the next wave."""

    def __init__(self, feed: Feed, dispatch: Dispatch, *, duration_s: float | None) -> None:
        self._feed, self._dispatch, self._duration_s = feed, dispatch, duration_s
        self._num_left = 0
        self.finished = False

    def begin(self, begin_mono_ns: int) -> None:
        """Send the first wave."""
        self._end_mono_ns = None if self._duration_s is None else begin_mono_ns + int(self._duration_s * NS_PER_S)
        self._send_wave()

    def done(self, exchange: Exchange) -> None:
        """Send the next wave where this request was the last one of its wave."""
        self._num_left -= 1
        if self._num_left == 0:
            asyncio.get_running_loop().call_soon(self._send_wave)

    def _send_wave(self) -> None:
        now = monotonic_ns()
        first = self._feed.peek()
        if first is None or (self._end_mono_ns is not None and now >= self._end_mono_ns):
            self.finished = True
            return
        requests = []
        while (following := self._feed.peek()) and following.exchange.wave == first.exchange.wave:
            requests.append(following)
            self._feed.pop()
        self._num_left = len(requests)
        for request in requests:
            self._dispatch(request, now)


class OpenLoop:
    """Sends requests at their scheduled instants, whatever the server does."""

    def __init__(self, feed: Feed, dispatch: Dispatch) -> None:
        self._feed, self._dispatch = feed, dispatch
        self.finished = False

    def begin(self, begin_mono_ns: int) -> None:
        """Start the schedule's clock."""
        self._begin_mono_ns = begin_mono_ns
        self._send_due()

    def done(self, exchange: Exchange) -> None:
        """Do nothing, since an open loop does not wait for answers."""

    def _send_due(self) -> None:
        while (request := self._feed.peek()) is not None:
            due_mono_ns = self._begin_mono_ns + round((request.offset_s or 0.0) * NS_PER_S)
            wait_ns = due_mono_ns - monotonic_ns()
            if wait_ns > 0:
                asyncio.get_running_loop().call_later(wait_ns / NS_PER_S, self._send_due)
                return
            self._feed.pop()
            self._dispatch(request, due_mono_ns)
        self.finished = True
