"""Checks of what the system allows this user: ports, descriptors, priority."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from llmdvfs.arrivals.table import arrival_kind
from llmdvfs.errors import ServerNotReady
from llmdvfs.host.capabilities import SYS_NICE, has_capability
from llmdvfs.plan.study import Study
from llmdvfs.records.doctor import Check
from llmdvfs.records.spec import WorkloadSpec
from llmdvfs.serving.instance.ports import reserve

LOOPBACK = "127.0.0.1"
OTHER_FILES = 256  # files of the load generator itself: libraries, logs, event loop
OPEN_LOOP_FILES = 4096  # connections assumed where the load sets no number in flight


def ports(study: Study) -> Iterator[Check]:
    """Check that a port of the loopback interface can be taken.

    `serving.proxy_port` was tried with the configuration.
    """
    try:
        reserve(LOOPBACK).release()
    except ServerNotReady as error:
        yield Check("ports", "problem", str(error), f"servers listen on {LOOPBACK}: let processes bind there")
        return
    wanted = next(iter(study.deployments.values())).proxy_port
    text = f"{wanted} for the proxy, free ones for servers" if wanted else "free ones are taken at the start"
    yield Check("ports", "ok", f"{text}; all on {LOOPBACK}")


def open_files(study: Study) -> Iterator[Check]:
    """Check that as many files may be open as the load generator needs connections.

    It raises its own limit to the hard limit, which is the one that counts.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = max(_at_once(workload) or OPEN_LOOP_FILES for workload in study.workloads.values())
    # A client that is its own router keeps connections to prefill and to decode.
    pairs = any(item.route == "direct" and "prefill" in item.num_instances for item in study.deployments.values())
    needed = OTHER_FILES + connections * (2 if pairs else 1)
    is_enough = hard == resource.RLIM_INFINITY or hard >= needed
    seen = f"at most {'unlimited' if hard == resource.RLIM_INFINITY else hard}, about {needed} needed"
    known = all(_at_once(workload) is not None for workload in study.workloads.values())
    if is_enough:
        yield Check("open files", "ok", seen)
    else:
        advice = "raise the hard limit: ulimit -Hn, or LimitNOFILE= of the service"
        yield Check("open files", "problem" if known else "warning", seen, advice)


def _at_once(workload: WorkloadSpec) -> int | None:
    return arrival_kind(workload.arrival.kind).num_at_once(workload.arrival)


def priority(root: Path = Path("/")) -> Iterator[Check]:
    """Check whether load generator and sampler may run before other processes, without trying it."""
    soft, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    if has_capability(SYS_NICE, root) or soft != 0:
        yield Check("priority", "ok", "real-time priority is allowed")
        return
    nice, _ = resource.getrlimit(resource.RLIMIT_NICE)
    better = 20 - nice < os.getpriority(os.PRIO_PROCESS, 0)
    seen = f"no real-time priority{', but a better nice value' if better else ''}"
    advice = "on busy CPUs tokens are stamped late: grant CAP_SYS_NICE, or rtprio in /etc/security/limits.conf"
    yield Check("priority", "warning", seen, advice)
