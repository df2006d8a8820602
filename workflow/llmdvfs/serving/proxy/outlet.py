"""Writes to a connection at once, where a loop's transport would wait for the end of its turn."""

import asyncio
import os


class Outlet:
    """The writing side of a connection.

    uvloop writes after it has read and parsed everything that was there to be read: of 64 requests or tokens that
    came together, the first would go on when the last has been looked at.
    """

    __slots__ = ("fd", "is_behind", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.is_behind = False
        """Whether the transport may still have something to write, which goes first."""
        self.fd: int = transport.get_extra_info("socket").fileno()

    def write(self, data: bytes) -> None:
        """Write what the socket takes, and leave the rest to the transport.

        A connection that is closing takes nothing, one that breaks is dropped; its protocol's connection_lost tells.
        """
        transport = self.transport
        if transport.is_closing():  # nothing may be written: the descriptor may already be another connection's
            return
        num_written = 0
        if self.is_behind:
            self.is_behind = transport.get_write_buffer_size() > 0
        if not self.is_behind:
            try:
                num_written = os.write(self.fd, data)
            except BlockingIOError:
                pass
            except OSError:
                transport.abort()
                return
        if num_written < len(data):
            self.is_behind = True
            transport.write(data[num_written:])
