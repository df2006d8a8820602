"""What a job does around a load: looks whether everything still runs, waits, and asks the proxy what it saw."""

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from llmdvfs.benchmark.samplers import Samplers
from llmdvfs.clock import mono_ns
from llmdvfs.errors import DataError, ServerDied, TelemetryError
from llmdvfs.hosts.gpus import foreign_processes
from llmdvfs.hosts.remote_host import RemoteHost
from llmdvfs.records.device_id import gpu_id, on_host
from llmdvfs.records.job import MeasureSettings
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.spec import ExporterSpec
from llmdvfs.serving.deployment import Deployment
from llmdvfs.telemetry.sampler import start_sampler

WATCH_INTERVAL_S = 0.05  # how soon a death under load is noticed; a look costs microseconds


def start_watching(
    deployment: Deployment, settings: MeasureSettings, path: Path, *, is_beside: bool = False
) -> Samplers:
    """Start the sampler on the CPU and, for a deployment on GPUs, on all GPUs of each host.

    is_beside: other launches may be measured on the host's other GPUs meanwhile, each with a sampler of its own: the
    deployment's GPUs alone are read. A call into the driver waits for the others' calls: two samplers that read all of
    four H100 missed a fifth of their slots, where one alone missed under 1 %.

    Only the loss of one of the deployment's own GPUs ends it. Raises what start_sampler raises.
    """
    every = None if deployment.gpu_indices else ()  # all of them: what others draw is reported apart
    own = start_sampler(
        path,
        interval_s=settings.interval_s,
        counter_interval_s=settings.counter_interval_s,
        gpu_indices=deployment.gpu_indices if is_beside else every,
        needed_gpus=deployment.gpu_indices,
        exporters=published_by(deployment.exporters),
    )
    return Samplers(own, remote_hosts(deployment), settings)


def published_by(exporters: Sequence[ExporterSpec]) -> list[str]:
    """Return exporters as the sampler takes them; TelemetryError where one does not tell of a GPU that it should."""
    if not exporters:
        return []
    # Here, since every job would wait for its HTTP library.
    from llmdvfs.telemetry.exporter import exporter_probes

    named = [f"{host.name}={host.url}" for host in exporters]
    told = {probe.device.device_id for name in named for probe in exporter_probes(name)}
    wanted = [on_host(host.name, gpu_id(index)) for host in exporters for index in host.gpus]
    if missing := [device for device in wanted if device not in told]:
        raise TelemetryError(
            f"serving.exporters: nothing is published of {', '.join(missing)}; "
            f"expected GPUs among {', '.join(sorted(told))}"
        )
    return named


def remote_hosts(deployment: Deployment) -> tuple[RemoteHost, ...]:
    """Return the hosts that run instances under an agent; empty: all instances are on this host."""
    return tuple(part for part in deployment.parts if isinstance(part, RemoteHost))


def foreign_on_all(deployment: Deployment) -> tuple[str, ...] | None:
    """Return in words what else computes on the deployment's GPUs, on whichever host; None: nobody can look."""
    # On GPUs that somebody else's endpoint is said to use, its own processes are the ones that should be there.
    watched = deployment.gpu_indices if deployment.instances else ()
    if not (hosts := remote_hosts(deployment)):
        return foreign_processes(watched)
    seen = [host.foreign_processes() for host in hosts]
    return tuple(text for found in seen for text in found or ()) if None not in seen else None


def idle(length_s: float) -> tuple[int, int] | None:
    """Leave the loaded servers idle for so long; return begin and end [mono ns], None for no time."""
    if not length_s:
        return None
    begin = mono_ns()
    time.sleep(length_s)
    return begin, mono_ns()


def check(deployment: Deployment, sampler: Samplers, when: str) -> None:
    """Raise an error where a server or the sampler has ended; it takes microseconds.

    when: for the message.
    """
    check_servers(deployment, when)
    cause = sampler.poll()
    if cause is not None:
        raise TelemetryError(f"the telemetry sampler died {when}: {cause}")


def check_servers(deployment: Deployment, when: str) -> None:
    """Raise ServerDied where a server has ended.

    when: for the message.
    """
    dead = deployment.first_dead()
    if dead is not None:
        raise ServerDied(f"{dead[0]} died {when}: {dead[1]}")


def proxy_stamps(deployment: Deployment, sent: Collection[str]) -> list[ProxyRecord]:
    """Return the stamps of these requests from the proxy's log, which goes on over all cells of the launch.

    DataError where there are stamps of half of them at most.
    """
    stamps = deployment.proxy_records(sent)
    if len(stamps) <= len(sent) // 2:
        raise DataError(
            f"{deployment.proxy_log}: stamps of {len(stamps)} of {len(sent)} requests; expected one line for each: "
            "phases and KV transfer could not be told; see proxy.log beside it"
        )
    return stamps
