"""A SLURM of two nodes, each a network namespace with an address and a host name of its own. Needs root.

The controller, and whoever submits, are on the first node; the other one's CLOCK_MONOTONIC is ahead. See one_node.py.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.one_node import NODE, OneNode, configuration, prepare
from fakes.namespaces import TwoHosts
from fakes.spread_study import AHEAD_S

NAMES = ("n0", "n1")
PORTS = "SlurmctldPort=6817\nSlurmdPort=6818"  # nobody else is in these namespaces


class TwoNodes(OneNode):
    """The running cluster."""

    @classmethod
    @contextmanager
    def over(cls, folder: Path, hosts: TwoHosts) -> Iterator["TwoNodes"]:
        """Start it and wait until both nodes take jobs; at the end nothing of it runs."""
        prepare(folder, NAMES)
        of_both = list(zip(NAMES, hosts.addresses, strict=True))
        (folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"{at} {name}\n" for name, at in of_both))
        nodes = [f"NodeName={name} NodeAddr={at} {NODE}" for name, at in of_both]
        lines = "\n".join([f"SlurmctldHost=n0({hosts.addresses[0]})", PORTS, *nodes])
        (folder / "slurm.conf").write_text(configuration(folder, lines, NAMES))
        clock = subprocess.Popen(["unshare", "--time", "--monotonic", str(AHEAD_S), "sleep", "infinity"])
        first = _enters(hosts.here, NAMES[0], folder)
        second = _enters(hosts.there, NAMES[1], folder, f"--time=/proc/{clock.pid}/ns/time_for_children")
        cluster = cls(folder, ",".join(NAMES), {"clock": clock}, enters=first)
        try:
            cluster._wait(lambda: Path(f"/proc/{clock.pid}/comm").read_text() == "sleep\n", "no namespace of time")
            cluster.start_munged()
            cluster.start("slurmctld", "-D", "-f", str(folder / "slurm.conf"), enters=first)
            for name, enters in zip(NAMES, (first, second), strict=True):
                cluster.start("slurmd", "-D", "-f", str(folder / "slurm.conf"), enters=enters)
                cluster.daemons[f"slurmd-{name}"] = cluster.daemons.pop("slurmd")
            cluster._wait(cluster._takes_jobs, "the nodes take no jobs")
            yield cluster
        finally:
            cluster.stop()


def _enters(namespace: str, name: str, folder: Path, *others: str) -> tuple[str, ...]:
    """Return the command that runs another one in a namespace, under a host name, with both nodes in /etc/hosts.

    others: what nsenter is to enter beside it.
    """
    script = f'mount --bind {folder}/hosts /etc/hosts && hostname {name} && exec "$@"'
    # Not `ip netns exec`, which mounts a /sys without the cgroups that slurmd looks for.
    enter = ("nsenter", f"--net=/run/netns/{namespace}", *others)
    return (*enter, "unshare", "--mount", "--uts", "sh", "-c", script, "sh")


def node_of(pid: int, hosts: TwoHosts) -> str | None:
    """Return which node a process runs on; None: neither."""
    for name, namespace in zip(NAMES, (hosts.here, hosts.there), strict=True):
        told = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True)
        if str(pid) in told.stdout.split():
            return name
    return None
