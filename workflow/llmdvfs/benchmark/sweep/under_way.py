"""A load under way, and everything that has to run beside it."""

import time
from dataclasses import dataclass

from llmdvfs.benchmark.client import LoadClient
from llmdvfs.benchmark.samplers import Samplers
from llmdvfs.benchmark.sweep.live import Live
from llmdvfs.benchmark.watching import WATCH_INTERVAL_S, check
from llmdvfs.errors import DataError, ServerDied
from llmdvfs.records.load import LoadProgress
from llmdvfs.serving.deployment import Deployment
from llmdvfs.telemetry.clocks import HeldPoint


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Servers, sampler and load generator of a sweep, while all of them run."""

    deployment: Deployment
    sampler: Samplers
    client: LoadClient
    live: Live

    def wait(self, held: HeldPoint | None = None) -> None:
        """Let a moment pass, and take in what was reported meanwhile; raise where something ended that should run.

        held: the point that is held; None: none is.
        """
        time.sleep(WATCH_INTERVAL_S)
        has_ended = self.client.has_ended()
        self.live.update()
        check(self.deployment, self.sampler, "under load")  # first: a client fails when its server has died
        if (progress := self.live.progress) is not None and progress.stopped_early is not None:
            raise ServerDied(f"the load was ended early: {progress.stopped_early}")
        if has_ended:
            self.client.check_ended_well()
            raise DataError("the load generator ended before it was told to; see load.log beside journal.bin")
        if held is not None:
            held.check()

    def wait_for_load(self) -> None:
        """Return once the warm-up is over and the load has begun."""
        while self.live.progress is None:
            self.wait()

    @property
    def progress(self) -> LoadProgress:
        """Return the client's newest report; the load must have begun."""
        assert self.live.progress is not None
        return self.live.progress

    def end_load(self, limit_s: float) -> None:
        """Let the load generator end within a time limit; beyond it, it is killed with its block."""
        self.client.end()
        deadline_s = time.monotonic() + limit_s
        while not self.client.has_ended() and time.monotonic() < deadline_s:
            time.sleep(WATCH_INTERVAL_S)
            check(self.deployment, self.sampler, "at the end of the load")
        self.client.check_ended_well()
