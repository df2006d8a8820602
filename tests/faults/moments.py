"""When something fails."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from faults.place import Place


@dataclass(frozen=True)
class Moment:
    """A moment in the life of a run, and what is done to be sure of meeting it."""

    name: str
    is_reached: Callable[[Place], bool]
    servers_start: dict[str, Any] = field(default_factory=dict)


BEFORE_THE_START = Moment("before the start", lambda place: True)
AS_IT_STARTS = Moment("as it starts", lambda place: True)
"""Its own start: a process is killed as soon as it is seen."""
AS_THE_JOB_STARTS = Moment("as the job starts", lambda place: place.run.find("benchmark job") is not None)
BEFORE_READY = Moment("before ready", lambda place: place.run.find("engine") is not None, {"ready_after_s": 600})
AS_THE_PROXY_STARTS = Moment("as the proxy starts", lambda place: place.run.find("proxy") is not None)
"""The servers behind it start beside it, and may be healthy already."""
UNDER_LOAD = Moment("under load", Place.is_loaded)
AT_THE_END = Moment("at the end", Place.load_is_over)
WHILE_STOPPING = Moment("while servers stop", lambda place: ": measured\n" in place.run.output, {"stubborn": True})
