"""Two hosts on one machine: network namespaces that nothing joins but one link, which can be capped and cut."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from fakes.long_link import TUN, long_link

NUMBERS = itertools.count()


def why_no_namespaces(is_long: bool = False) -> str | None:
    """Return why network namespaces, and a link with delay and loss between them, cannot be made; None: they can."""
    if is_long and not TUN.exists():
        return f"no {TUN} here, which a link with delay and loss is made of"
    try:
        probe = f"llmdvfs-probe-{os.getpid()}"
        subprocess.run(["ip", "netns", "add", probe], check=True, capture_output=True)
        subprocess.run(["ip", "netns", "exec", probe, "tc", "qdisc"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"network namespaces cannot be made here: {error}"
    finally:
        subprocess.run(["ip", "netns", "delete", probe], check=False, capture_output=True)
    return None


@dataclass(frozen=True)
class TwoHosts:
    """The namespaces `here` and `there`, each with one address."""

    here: str
    there: str
    link: str
    """Interface of both ends."""
    addresses: tuple[str, str] = ("10.219.0.1", "10.219.0.2")

    def run_in(self, namespace: str, *command: str) -> None:
        subprocess.run(["ip", "netns", "exec", namespace, *command], check=True)

    def cap(self, mbit_per_s: int) -> None:
        """Let the link carry no more than so much from here to there."""
        how = ["root", "tbf", "rate", f"{mbit_per_s}mbit", "burst", "64kb", "latency", "50ms"]
        self.run_in(self.here, "tc", "qdisc", "replace", "dev", self.link, *how)

    def cut(self) -> None:
        self.run_in(self.here, "ip", "link", "set", self.link, "down")


@contextmanager
def two_hosts(delay_s: float = 0.0, loss_fraction: float = 0.0) -> Iterator[TwoHosts]:
    """Join two namespaces, by a link that takes `delay_s` one way and loses packets where one of the two is not 0."""
    number = f"{os.getpid()}-{next(NUMBERS)}"
    hosts = TwoHosts(f"llmdvfs-here-{number}", f"llmdvfs-there-{number}", "link0")
    ends = zip((hosts.here, hosts.there), hosts.addresses, strict=True)
    link = ExitStack()
    try:
        for namespace in (hosts.here, hosts.there):
            subprocess.run(["ip", "netns", "add", namespace], check=True)
        if delay_s or loss_fraction:
            link.enter_context(long_link((hosts.here, hosts.there), hosts.link, delay_s, loss_fraction))
        else:
            hosts.run_in(
                *(hosts.here, "ip", "link", "add", hosts.link, "type", "veth"),
                *("peer", "name", hosts.link, "netns", hosts.there),
            )
        for namespace, address in ends:
            hosts.run_in(namespace, "ip", "address", "add", f"{address}/24", "dev", hosts.link)
            for interface in ("lo", hosts.link):
                hosts.run_in(namespace, "ip", "link", "set", interface, "up")
        yield hosts
    finally:
        link.close()
        for namespace in (hosts.here, hosts.there):
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)
