"""A server on another host, as its agent tells of it with every look."""

import time
from pathlib import Path

from llmdvfs.hosts.channel import Channel
from llmdvfs.hosts.messages import ServerState

NOTE_LIMIT_S = 10.0


class RemoteServer:
    """One server that an agent has started: a `Server`."""

    def __init__(self, name: str, channel: Channel, log: Path) -> None:
        """log: where its log will be, once it has been fetched."""
        self.name, self.log = name, log
        self.started_s = time.monotonic()
        self._channel = channel

    def _state(self) -> ServerState:
        return self._channel.state.servers.get(self.name, ServerState())

    def server_pid(self) -> int | None:
        """Return its process id on its host; None: it is not started yet, or has gone."""
        return self._state().pid

    def exit_code(self) -> int | None:
        """Return its exit code; None while it runs, and while its host can be reached no more."""
        return self._state().exit_code

    def engine_failed_to_start(self) -> bool:
        """Return whether its log says that its engine failed to start."""
        return self._state().engine_failed or self._channel.lost() is not None

    def note_family(self) -> None:
        """Have the agent remember the server's processes, so that it notices when one of them has gone."""
        self._channel.request("note", NOTE_LIMIT_S, name=self.name)

    def is_dead(self) -> bool:
        """Return whether the server or its engine has ended, or its host is lost."""
        return self._state().is_dead or self._channel.lost() is not None

    def cause_of_death(self) -> str:
        """Return why it ended, as far as its log says, or why nothing is known of it any more."""
        return self._state().cause or self._channel.lost() or "its agent has not told yet"

    def log_tail(self) -> str:
        """Return the last line of its log while it starts."""
        return self._state().last_words
