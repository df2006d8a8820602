"""Watches the network to another host while a deployment runs: a link that is cut stops answering, and nothing else.

TCP itself would notice after minutes, and an engine that waits for KV cache over the link perhaps never.
"""

import contextlib
import socket
import threading
import time

from llmdvfs.hosts.echo import ECHO
from llmdvfs.hosts.network import connect, ping

PING_INTERVAL_S = 0.5
PING_LIMIT_S = 2.0
SILENCE_LIMIT_S = 5.0
"""Beyond it a link counts as lost. A busy link delays an answer by tens of milliseconds."""


class LinkWatch:
    """Sends small messages to another host's echo server, again and again, in a thread of its own."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port
        self._heard_s = time.monotonic()
        self._stop = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def silent_s(self) -> float:
        """Return for how long nothing has been heard."""
        return time.monotonic() - self._heard_s

    def close(self) -> None:
        """Watch no more."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError), connect(self._address, self._port, PING_LIMIT_S) as connection:
                connection.sendall(ECHO)
                self._ping_on(connection)
            self._stop.wait(PING_INTERVAL_S)

    def _ping_on(self, connection: socket.socket) -> None:
        while not self._stop.is_set():
            ping(connection)
            self._heard_s = time.monotonic()
            self._stop.wait(PING_INTERVAL_S)


def is_lost(silent_s: float) -> bool:
    """Return whether a link that has been silent for so long counts as lost."""
    return silent_s > SILENCE_LIMIT_S
