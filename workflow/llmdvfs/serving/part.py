"""What a deployment consists of, whichever host it runs on: servers that are watched, in parts of one host each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from llmdvfs.records.route import KvAddresses
from llmdvfs.records.run import InstanceRecord
from llmdvfs.records.spec import Role


def name_of(role: Role, number: int) -> str:
    """Return the name of an instance by its role and its number within the role: `prefill-0`."""
    return f"{role}-{number}"


class Server(Protocol):
    """One server that was started, as whoever waits for it and watches over it sees it.

    `ServerProcess` is one of this host; one of another host is seen through that host's agent.
    """

    @property
    def name(self) -> str:
        """The server's name: `prefill-0`, `proxy`."""

    @property
    def log(self) -> Path:
        """Where its log is, or will be once it has ended."""

    @property
    def started_s(self) -> float:
        """When it was started, on this process's time.monotonic()."""

    def server_pid(self) -> int | None:
        """Return its process id on its host; None: it is not started yet, or has gone."""

    def exit_code(self) -> int | None:
        """Return its exit code; None while it runs."""

    def engine_failed_to_start(self) -> bool:
        """Return whether its log says that its engine failed to start."""

    def note_family(self) -> None:
        """Remember the processes of a server that is ready, so that `is_dead` notices when one of them has gone."""

    def is_dead(self) -> bool:
        """Return whether the server, its engine or its guard has ended; it costs microseconds."""

    def cause_of_death(self) -> str:
        """Return why it ended, as far as its log says."""

    def log_tail(self) -> str:
        """Return the last part of its log."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One server of the engine, and everything that it was started with."""

    name: str
    role: Role
    base_url: str
    process: Server
    argv: tuple[str, ...]
    env: dict[str, str]
    gpu_indices: tuple[int, ...]
    """NVML indices on its own host."""
    kv: KvAddresses | None


class Part(Protocol):
    """The instances of a deployment on one host, from their start to their end."""

    def begin(self) -> Sequence[Instance]:
        """Start all of them at once and return them; they are not ready yet."""

    def lost(self) -> tuple[str, str] | None:
        """Return what has gone besides a server, such as a host or a link, and why; None: all is there."""

    def records(self, startup_s: Mapping[str, float]) -> tuple[InstanceRecord, ...]:
        """Return what run.json says of instances that are ready; startup_s: name -> how long each took."""

    def ready(self) -> None:
        """Give up what only a start needs, such as reserved ports."""

    def stop(self) -> None:
        """End everything, and make sure that it has ended; called once, whatever happened before."""
