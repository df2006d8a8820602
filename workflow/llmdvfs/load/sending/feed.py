"""Renders requests ahead of time, so that sending one costs no more than writing its bytes."""

import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

import msgspec

from llmdvfs.connectors.connector import Body
from llmdvfs.load.schedule.plan import PlannedRequest
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.load.wire.request import Target, render_request, request_body, with_fixed_prompt

LOW_WATER, HIGH_WATER = 128, 256  # below so many waiting requests, more are rendered while the load runs; up to so many
TOP_UP_TIME_S = 0.0003  # at a time: a read that comes meanwhile is stamped late
MAX_AHEAD_BYTES = 24_000_000


@dataclass(slots=True)
class ReadyRequest:
    """A rendered request that needs only a connection."""

    offset_s: float | None
    exchange: Exchange
    rendered: bytes
    """The bytes to write; without a head where `body` is set."""
    body: Body | None = None
    """What is asked, for a route that forms requests itself; None: `rendered` is sent as it is."""


class Feed:
    """The requests of a plan in their order, each rendered some time before it is needed."""

    def __init__(self, plan: Iterator[PlannedRequest], to: Target, *, keeps_bodies: bool = False) -> None:
        """Make a feed that has rendered nothing yet.

        keeps_bodies: render bodies alone and keep what they say, for a route that forms requests itself.
        """
        self._plan = plan
        self._to = to
        self._keeps_bodies = keeps_bodies
        self._run_id = secrets.token_hex(12)  # servers log request ids: they differ between runs
        self._ready: deque[ReadyRequest] = deque()
        self._ready_bytes = 0
        self._exhausted = False
        self._is_low = False

    def fill(self, num_at_least: int, time_s: float) -> None:
        """Render the first `num_at_least` requests, then as many more as fit into the time."""
        deadline_s = monotonic() + time_s
        while self._render_one() and self._ready_bytes < MAX_AHEAD_BYTES:
            if len(self._ready) >= num_at_least and monotonic() >= deadline_s:
                return

    def top_up(self) -> bool:
        """Render a few more where few are left, and return whether that was so; called in idle moments of the load."""
        num_before = len(self._ready)
        self._is_low = num_before < (HIGH_WATER if self._is_low else LOW_WATER)
        deadline_s = monotonic() + TOP_UP_TIME_S
        while (
            self._is_low
            and len(self._ready) < HIGH_WATER
            and self._ready_bytes < MAX_AHEAD_BYTES
            and self._render_one()
            and monotonic() < deadline_s
        ):
            pass
        return len(self._ready) > num_before

    def peek(self) -> ReadyRequest | None:
        """Return the next request without taking it; None where the plan is at its end."""
        if not self._ready and not self._render_one():
            return None
        return self._ready[0]

    def pop(self) -> ReadyRequest | None:
        """Take and return the next request; None where the plan is at its end."""
        if self.peek() is None:
            return None
        request = self._ready.popleft()
        self._ready_bytes -= len(request.rendered)
        return request

    def stop(self) -> None:
        """Drop the rest of the plan: nothing more is to be sent."""
        self._exhausted = True
        self._ready.clear()

    def _render_one(self) -> bool:
        planned = None if self._exhausted else next(self._plan, None)
        if planned is None:
            self._exhausted = True
            return False
        exchange = Exchange(
            index=planned.index,
            request_id=f"{self._run_id}{planned.index:08x}",
            wave=planned.wave,
            num_prompt_tokens=planned.num_prompt_tokens,
            num_output_tokens=planned.num_output_tokens,
        )
        if self._keeps_bodies:
            body = with_fixed_prompt(request_body(planned, self._to))
            ready = ReadyRequest(planned.offset_s, exchange, msgspec.json.encode(body), body)
        else:
            ready = ReadyRequest(planned.offset_s, exchange, render_request(planned, self._to, exchange.request_id))
        self._ready.append(ready)
        self._ready_bytes += len(ready.rendered)
        return True
