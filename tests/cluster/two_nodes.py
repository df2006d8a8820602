"""A SLURM of two nodes, each a network namespace with an address and a host name of its own. Needs root.

The controller, and whoever submits, are on the first node. See one_node.py.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.one_node import NODE, OneNode, configuration, prepare
from fakes.namespaces import TwoHosts

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
        first, second = (
            _enters(namespace, name, folder) for namespace, name in zip((hosts.here, hosts.there), NAMES, strict=True)
        )
        cluster = cls(folder, ",".join(NAMES), enters=first)
        try:
            cluster.start_munged()
            cluster.start("slurmctld", "-D", "-f", str(folder / "slurm.conf"), enters=first)
            for name, enters in zip(NAMES, (first, second), strict=True):
                cluster.start("slurmd", "-D", "-f", str(folder / "slurm.conf"), enters=enters)
                cluster.daemons[f"slurmd-{name}"] = cluster.daemons.pop("slurmd")
            cluster._wait(cluster._takes_jobs, "the nodes take no jobs")
            yield cluster
        finally:
            cluster.stop()


def _enters(namespace: str, name: str, folder: Path) -> tuple[str, ...]:
    """Return the command that runs another one in a namespace, under a host name, with both nodes in /etc/hosts."""
    script = f'mount --bind {folder}/hosts /etc/hosts && hostname {name} && exec "$@"'
    # Not `ip netns exec`, which mounts a /sys without the cgroups that slurmd looks for.
    return ("nsenter", f"--net=/run/netns/{namespace}", "unshare", "--mount", "--uts", "sh", "-c", script, "sh")


def node_of(pid: int, hosts: TwoHosts) -> str | None:
    """Return which node a process runs on; None: neither."""
    for name, namespace in zip(NAMES, (hosts.here, hosts.there), strict=True):
        told = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True)
        if str(pid) in told.stdout.split():
            return name
    return None
