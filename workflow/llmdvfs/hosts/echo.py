"""What an agent answers on its host's address: small messages at once, and streams, which it counts.

Whoever connects says with the first byte which of the two he wants. Nothing that is sent is kept or acted upon, so no
password guards it; connections from addresses other than those of the study's hosts are closed at once.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterable

ECHO, COUNT = b"E", b"C"
MESSAGE_BYTES = 16
COUNT_FORMAT = ">Q"
PIECE_BYTES = 1 << 20
IDLE_LIMIT_S = 60.0


class EchoServer:
    """Answers on one address until it is closed."""

    def __init__(self, address: str) -> None:
        """Begin to listen on a free port of the address; OSError where the host has no such address."""
        self._listener = socket.create_server((address, 0))
        self.port: int = self._listener.getsockname()[1]
        self._allowed: frozenset[str] = frozenset()
        threading.Thread(target=self._accept, daemon=True).start()

    def allow(self, addresses: Iterable[str]) -> None:
        """Answer these hosts, by name or address, and no others."""
        found = {info[4][0] for name in addresses for info in socket.getaddrinfo(name, None, socket.AF_INET)}
        self._allowed = frozenset(str(address) for address in found)

    def close(self) -> None:
        """Listen no more."""
        # Closing alone would leave the thread in accept(), and the port with it.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, (address, _) = self._listener.accept()
            except OSError:
                return
            if address in self._allowed:
                threading.Thread(target=_serve, args=(connection,), daemon=True).start()
            else:
                connection.close()


def _serve(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(IDLE_LIMIT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if connection.recv(1) == COUNT:
            _count(connection)
        else:
            while message := connection.recv(MESSAGE_BYTES):
                connection.sendall(message)


def _count(connection: socket.socket) -> None:
    """Take everything, then tell how many bytes came."""
    buffer = bytearray(PIECE_BYTES)
    total = 0
    while received := connection.recv_into(buffer):
        total += received
    connection.sendall(struct.pack(COUNT_FORMAT, total))
