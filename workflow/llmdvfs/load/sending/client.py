"""Drives a load while it runs: sends what the pacer says, takes answers in, and ends what takes too long."""

import asyncio
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from llmdvfs.clock import NS_PER_S
from llmdvfs.load.sending.feed import Feed, ReadyRequest
from llmdvfs.load.sending.heartbeat import Heartbeat
from llmdvfs.load.sending.route import MakeRoute
from llmdvfs.load.sending.shape import MakePacer
from llmdvfs.load.sending.spool import Spool
from llmdvfs.load.wire.exchange import Exchange

WORK_S = 0.02  # between two slices of housekeeping, while there is some to do
# Otherwise: waking for nothing takes 0.1 to 0.3 ms of a core that sleeps between bursts of tokens: ten tokens or more.
REST_S = 0.2  # a time-out is noticed so late at most
MIN_FAILURES_TO_STOP = 32


class Client:
    """Drives one load at a time over a route to whoever answers."""

    def __init__(
        self,
        make_route: MakeRoute,
        *,
        request_timeout_s: float,
        idle_timeout_s: float,
        watch: Callable[["Client"], None] | None = None,
    ) -> None:
        """Make a client that is not yet connected.

        watch: called between two slices of housekeeping, every REST_S at least.
        """
        self._watch = watch
        self.route = make_route(self._ended)
        self._request_timeout_ns = round(request_timeout_s * NS_PER_S)
        self._idle_timeout_ns = round(idle_timeout_s * NS_PER_S)

    async def run(self, feed: Feed, make_pacer: MakePacer, spool: Spool, max_failures: int) -> None:
        """Run one load to its end.

        It ends early where the server hangs (no byte on any stream for the idle time-out), or where so many requests in
        a row as max_failures fail.
        """
        self._feed, self._spool = feed, spool
        self._max_failures = max(max_failures, MIN_FAILURES_TO_STOP)
        self._failures_in_row = 0
        self._in_flight = 0
        self.peak_in_flight = self.num_sent = self.num_ended = self.num_ok = 0
        self._num_reads_of_ended = 0
        self.stopped_early: str | None = None
        self._over = asyncio.Event()
        self._pacer = make_pacer(feed, self._dispatch)
        self._error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._fail)
        self._first_limit_mono_ns = 0
        self.heartbeat = Heartbeat()
        self._tick_after(WORK_S)
        try:
            self.begin_mono_ns = self._last_success_mono_ns = monotonic_ns()
            self._pacer.begin(self.begin_mono_ns)
            await self._over.wait()
        finally:
            self._ticking.cancel()
            self.heartbeat.beat()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Send nothing more, so that the load ends once all that is in flight has ended."""
        self._feed.stop()

    @property
    def num_reads(self) -> int:
        """Return the number of reads since the load's begin, those of requests in flight included."""
        return self._num_reads_of_ended + sum(len(exchange.reads) for exchange in self.route.in_flight())

    @property
    def oldest_mono_ns(self) -> int | None:
        """Return when the oldest request in flight was scheduled; None: none is in flight."""
        return min((exchange.scheduled_mono_ns for exchange in self.route.in_flight()), default=None)

    def _dispatch(self, request: ReadyRequest, scheduled_mono_ns: int) -> None:
        request.exchange.scheduled_mono_ns = scheduled_mono_ns
        self.num_sent += 1
        self._in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self._in_flight)
        self.route.send(request)

    def _ended(self, exchange: Exchange, failure: str | None) -> None:
        self._in_flight -= 1
        self.num_ended += 1
        self._num_reads_of_ended += len(exchange.reads)
        self._spool.add(exchange)
        if failure is None:
            self.num_ok += 1
            self._failures_in_row = 0
            self._last_success_mono_ns = exchange.end_mono_ns or 0
        else:
            self._failures_in_row += 1
        if self._failures_in_row >= self._max_failures:
            self._stop(f"{self._failures_in_row} requests in a row failed, the last one: {failure}")
        self._pacer.done(exchange)
        if self._in_flight == 0:
            self._loop.call_soon(self._end_if_over)  # behind the sends that the pacer may have put into the loop

    def _end_if_over(self) -> None:
        if self._pacer.finished and self._in_flight == 0:
            self._over.set()

    def _stop(self, cause: str) -> None:
        """Send nothing more: the server is not in a state to be measured."""
        if self.stopped_early is None:
            self.stopped_early = cause
            self._feed.stop()

    def _fail(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End the load with what a callback raised: the loop would only log it, and the load would wait for ever."""
        error = context.get("exception")
        if error is not None and not isinstance(error, OSError):  # a connection's own end says what an OSError says
            self._error = self._error or error
            self._over.set()

    def _tick(self) -> None:
        """Do in small slices what must not be done between two stamps."""
        self.heartbeat.beat()
        if self._watch is not None:
            self._watch(self)
        has_worked = [self._feed.top_up(), self._spool.write_some(), self.route.refresh()]
        now = monotonic_ns()
        if now > self._first_limit_mono_ns:
            self._first_limit_mono_ns = self._check_timeouts(now)
        self._end_if_over()  # a load that was stopped while nothing was in flight
        self._tick_after(WORK_S if any(has_worked) else REST_S)

    def _tick_after(self, wait_s: float) -> None:
        self._ticking = self._loop.call_later(wait_s, self._tick)
        self.heartbeat.expect(wait_s)

    def _check_timeouts(self, now: int) -> int:
        """End what took too long, and return the first instant at which anything else can: reads only move it on."""
        request_ns, idle_ns = self._request_timeout_ns, self._idle_timeout_ns
        busy = [(each, sent) for each in self.route.under_way() if (sent := each.exchange) is not None and sent.is_sent]
        last_signs = [self._last_success_mono_ns, *(exchange.last_sign_mono_ns for _, exchange in busy)]
        if busy and now - max(last_signs) > idle_ns:
            self._stop(f"no byte on any of {len(busy)} streams for {idle_ns / NS_PER_S:g} s (idle_timeout_s)")
        first_limit = now + min(request_ns, idle_ns)  # when a request sent just now could time out at the earliest
        for request, exchange in busy:
            request_limit = (exchange.sent_mono_ns or 0) + request_ns
            idle_limit = exchange.last_sign_mono_ns + idle_ns
            if now > request_limit:
                limit_s = request_ns / NS_PER_S
                request.abandon("timeout", f"not finished {limit_s:g} s after it was sent (request_timeout_s)")
            elif now > idle_limit:
                cause = f"no byte for {idle_ns / NS_PER_S:g} s (idle_timeout_s) after {len(exchange.reads)} reads"
                request.abandon("timeout", f"{cause}; is it alive?")
            else:
                first_limit = min(first_limit, request_limit, idle_limit)
        return first_limit
