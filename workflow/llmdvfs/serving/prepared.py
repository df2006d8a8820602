"""Servers of this host that have imported what they need, and wait on the GPUs that they are expected to get."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from llmdvfs.errors import ServerNotReady
from llmdvfs.records.host import HostGpu
from llmdvfs.records.spec import Role
from llmdvfs.serving.instance.process import ServerProcess
from llmdvfs.serving.instance.waiting_server import PREPARED
from llmdvfs.serving.part import name_of

POLL_INTERVAL_S = 0.1
IMPORT_LIMIT_S = 120.0  # a launch that is ready to be measured waits for it with its GPUs

Place = tuple[Role, int, Sequence[HostGpu]]
"""An instance's role, its number within the role, and its GPUs."""


@dataclass(slots=True)
class Prepared:
    """What was prepared of one start."""

    places: Sequence[Place] = ()
    """Every instance, with the GPUs that it was prepared for."""
    leases: dict[str, int] = field(default_factory=dict)
    """UUID of each of these GPUs -> a descriptor of its lease, which the servers' guards have inherited. It is taken
    only once they are told to serve: until then somebody else has the GPU."""
    servers: dict[str, ServerProcess] = field(default_factory=dict)
    """By name."""

    def await_imports(self) -> None:
        """Wait until every server has imported, or has ended; ServerNotReady after IMPORT_LIMIT_S."""
        deadline = time.monotonic() + IMPORT_LIMIT_S
        while importing := [name for name, server in self.servers.items() if _imports(server)]:
            if time.monotonic() > deadline:
                raise ServerNotReady(f"{', '.join(importing)} still imported after {IMPORT_LIMIT_S:g} s")
            time.sleep(POLL_INTERVAL_S)

    def fits(self, places: Sequence[Place]) -> bool:
        """Return whether all servers still wait, each on the GPUs that it is to have."""
        still_wait = all(server.exit_code() is None for server in self.servers.values())
        are_leases = all(os.fstat(fd).st_nlink for fd in self.leases.values())  # or cleaners of /tmp removed the files
        return _uuids(places) == _uuids(self.places) and still_wait and are_leases

    def release(self) -> None:
        """Close this process's descriptors; guards that serve keep the leases."""
        while self.leases:
            os.close(self.leases.popitem()[1])


def imported_s(log: str) -> float | None:
    """Return how long a server imported before it was told to serve, by its log; None: it was not prepared."""
    said = PREPARED.search(log)
    return None if said is None else float(said[1])


def _imports(server: ServerProcess) -> bool:
    return server.exit_code() is None and not PREPARED.search(server.log_tail())


def _uuids(places: Sequence[Place]) -> Mapping[str, list[str]]:
    return {name_of(role, number): [gpu.uuid for gpu in gpus] for role, number, gpus in places}
