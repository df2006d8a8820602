"""Lets only so many requests be under way, and only so many wait for that."""

import asyncio
from collections import deque
from collections.abc import Callable


class Admission:
    """The places of a proxy's requests, and those that wait for one, in their order."""

    def __init__(self, max_in_flight: int, max_waiting: int) -> None:
        self._num_free = max_in_flight
        self._max_waiting = max_waiting
        self._waiting: deque[Callable[[], None]] = deque()
        self.refused = 0

    @property
    def waiting(self) -> int:
        """How many requests wait for a place."""
        return len(self._waiting)

    def enter(self, start: Callable[[], None]) -> bool:
        """Call `start` once it has a place, at once where one is free; return False where too many are waiting."""
        if self._num_free:
            self._num_free -= 1
            start()
        elif len(self._waiting) < self._max_waiting:
            self._waiting.append(start)
        else:
            self.refused += 1
            return False
        return True

    def forget(self, start: Callable[[], None]) -> None:
        """Let one wait no longer, if it still does."""
        if start in self._waiting:
            self._waiting.remove(start)

    def leave(self) -> None:
        """Give the place to who has waited longest, or free it."""
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._waiting.popleft())
        else:
            self._num_free += 1
