"""Lets only so many requests be under way, and only so many wait for that."""

import asyncio
from collections import deque


class Admission:
    """The places of a proxy's requests, and those that wait for one, in their order."""

    def __init__(self, max_in_flight: int, max_waiting: int) -> None:
        self._num_free = max_in_flight
        self._max_waiting = max_waiting
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.refused = 0

    @property
    def waiting(self) -> int:
        """How many requests wait for a place."""
        return len(self._waiting)

    def try_enter(self) -> bool:
        """Take a place where one is free; return whether there was one."""
        if not self._num_free:
            return False
        self._num_free -= 1
        return True

    async def enter(self) -> bool:
        """Wait for a place; return False at once where too many are waiting already."""
        if self.try_enter():
            return True
        if len(self._waiting) >= self._max_waiting:
            self.refused += 1
            return False
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._waiting.remove(place)
            else:  # it was given the place while its client left
                self.leave()
            raise
        return True

    def leave(self) -> None:
        """Give the place to who has waited longest, or free it."""
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self._num_free += 1
