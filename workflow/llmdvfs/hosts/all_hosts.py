"""The hosts of a deployment together: agents are started on all of them, and end with the block."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llmdvfs.errors import ConfigError
from llmdvfs.hosts.remote_host import RemoteHost
from llmdvfs.records.hosts import HostPath
from llmdvfs.records.job import LaunchRecord
from llmdvfs.records.spec import DeploymentSpec, HostSpec, Role
from llmdvfs.serving.host_part import StartOrder
from llmdvfs.serving.instance.health import Say

NODE = "slurm:"
JOB_VARIABLE = "SLURM_JOB_ID"
ASK_LIMIT_S = 30.0

Nodes = Callable[[], Sequence[str]]
"""Returns the names of the nodes of this job's allocation."""


def allocated_nodes() -> list[str]:
    """Return the nodes of the SLURM job that this process belongs to; ConfigError where there is none.

    SLURM_JOB_NODELIST does not tell them: Snakemake's executor plugin drops it before it starts a rule by srun, which
    then puts the nodes of that step there, one.
    """
    job = os.environ.get(JOB_VARIABLE)
    if not job:
        raise ConfigError(
            f"serving.hosts: an address is slurm:N, and {JOB_VARIABLE} is not set; expected to run in a SLURM job"
        )
    listed = _told_by("squeue", "--noheader", "--format=%N", f"--jobs={job}").strip()
    return _told_by("scontrol", "show", "hostnames", listed).split()


def _told_by(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=ASK_LIMIT_S, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"{command[0]} cannot say which nodes this job has: {error}; expected SLURM's commands"
        ) from error


@dataclass(frozen=True, slots=True)
class AllHosts:
    """The hosts of one start of a deployment, with their agents."""

    launch: LaunchRecord
    hosts: tuple[RemoteHost, ...]
    results: Path
    """Folder that paths of logs are recorded relative to."""

    def parts(self, order: StartOrder, folder: Path) -> Sequence[RemoteHost]:
        """Return the parts of a start: each host with its own instances. folder: takes their logs."""
        spec = self.launch.deployment
        busy = []
        for host in self.hosts:
            own = tuple((role, n) for role, n in order.wanted if spec.host_of(role, n) == host.spec)
            host.order(replace(order, wanted=own), folder, self.results)
            busy += [host] if own else []
        return busy


@contextlib.contextmanager
def all_hosts(
    launch: LaunchRecord, logs: Path, results: Path, say: Say, nodes: Nodes = allocated_nodes
) -> Iterator[AllHosts]:
    """Start an agent on every host of a deployment, have them watch each other, and end them with the block.

    logs: folder that takes what the agents say. Yield the hosts, and the launch with the hosts' addresses as they are:
    `slurm:N` is a node by then. ServerNotReady where a host has no agent.
    """
    launch = replace(launch, deployment=resolved(launch.deployment, nodes))
    with contextlib.ExitStack() as stack:
        hosts = []
        for spec in launch.deployment.hosts:
            host = RemoteHost(spec, logs / f"agent-{spec.name}.log", say)
            stack.callback(host.close)
            hosts.append(host)
        for host in hosts:
            host.greet()
        addresses = [host.spec.address for host in hosts]
        for host in hosts:
            host.allow(addresses)
        for number, host in enumerate(hosts):
            host.watch(hosts[number + 1 :])
        yield AllHosts(launch, tuple(hosts), results)


def resolved(deployment: DeploymentSpec, nodes: Nodes) -> DeploymentSpec:
    """Return the deployment with names of nodes in place of `slurm:N`; ConfigError where the job has no such node."""
    if not any(host.address.startswith(NODE) for host in deployment.hosts):
        return deployment
    names = nodes()
    return replace(deployment, hosts=tuple(_resolved(host, names) for host in deployment.hosts))


def _resolved(host: HostSpec, names: Sequence[str]) -> HostSpec:
    if not host.address.startswith(NODE):
        return host
    number = int(host.address.removeprefix(NODE))
    if number >= len(names):
        raise ConfigError(
            f"serving.hosts: {host.name} is {host.address}, and the allocation has {len(names)} nodes "
            f"({', '.join(names) or 'none'}); expected {number + 1} at least: ask for more nodes"
        )
    return replace(host, address=names[number])


def paths_between(hosts: Sequence[RemoteHost], deployment: DeploymentSpec) -> tuple[HostPath, ...]:
    """Measure the network between every two hosts that KV cache goes between, one pair after the other."""
    if deployment.connector is None:
        return ()
    by_name = {host.name: host for host in hosts}
    prefill, decode = _hosts_of(deployment, "prefill"), _hosts_of(deployment, "decode")
    return tuple(by_name[p].path_to(by_name[d]) for p in prefill for d in decode if p != d)


def _hosts_of(deployment: DeploymentSpec, role: Role) -> list[str]:
    """Return the names of the hosts on which a role has instances, each once."""
    found = [deployment.host_of(role, number) for number in range(deployment.num_instances.get(role, 0))]
    return list(dict.fromkeys(host.name for host in found if host is not None))
