"""A link between two network namespaces that takes its time and loses packets, for kernels without netem.

Each end is a TUN device; a process hands every IP packet from one to the other when its time has come, or never. What
TCP makes of that is the kernel's own: retransmissions, congestion windows and all. The process goes before all others
where it may: a real link does not wait for a core while engines compute, and TCP took such waits for a slower link.
"""

import contextlib
import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TUN = Path("/dev/net/tun")
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
PACKET_BYTES = 65536
SEED = 5


@contextmanager
def long_link(ends: tuple[str, str], name: str, delay_s: float, loss_fraction: float) -> Iterator[None]:
    """Join two namespaces by an interface of this name in each.

    delay_s: one way; loss_fraction: of packets, each way.
    """
    relay = subprocess.Popen(
        [sys.executable, __file__, name, *ends, repr(delay_s), repr(loss_fraction)],
        stdin=subprocess.PIPE,  # its end is the relay's: it cannot outlive the test
        stdout=subprocess.PIPE,
    )
    assert relay.stdin is not None
    assert relay.stdout is not None
    with relay:
        assert relay.stdout.readline() == b"ready\n"
        yield
        relay.stdin.close()


def _end_in(namespace: str, name: str) -> int:
    """Make one end and put it into a namespace; return the file that has its packets."""
    made = f"tun{os.getpid()}"
    end = os.open(TUN, os.O_RDWR)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH14x", made.encode(), IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "link", "set", made, "netns", namespace, "name", name], check=True)
    return end


def _relay(ends: list[int], delay_s: float, loss_fraction: float) -> None:
    """Hand packets over until standard input ends."""
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    chance, number = random.Random(SEED), itertools.count()
    waiting: list[tuple[float, int, int, bytes]] = []
    while True:
        wait_s = max(waiting[0][0] - time.monotonic(), 0.0) if waiting else None
        readable, _, _ = select.select([*ends, sys.stdin], [], [], wait_s)
        if sys.stdin in readable:
            return
        for end in readable:
            packet = os.read(end, PACKET_BYTES)
            if chance.random() >= loss_fraction:
                heapq.heappush(waiting, (time.monotonic() + delay_s, next(number), other[end], packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(waiting)
            try:
                os.write(end, packet)
            except OSError:
                continue  # that end is down: a packet on its way to it is lost


if __name__ == "__main__":
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    both = [_end_in(namespace, sys.argv[1]) for namespace in sys.argv[2:4]]
    print("ready", flush=True)
    _relay(both, float(sys.argv[4]), float(sys.argv[5]))
