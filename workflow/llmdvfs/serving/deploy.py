"""`with deploy(launch) as deployment`: servers that run for the length of a block."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from llmdvfs.clock import unix_s
from llmdvfs.errors import ConfigError
from llmdvfs.records.api_key import api_key
from llmdvfs.records.device_id import gpu_id, on_host
from llmdvfs.records.host import HostGpu
from llmdvfs.records.job import LaunchRecord
from llmdvfs.records.run import InstanceRecord, ServerStart
from llmdvfs.records.spec import Endpoint
from llmdvfs.serving.deployment import Deployment
from llmdvfs.serving.instance.health import Say, first_answers
from llmdvfs.serving.start import MakeParts, Start, new_start_id

__all__ = ["Deployment", "deploy"]

COMPLETIONS: tuple[Endpoint, ...] = ("completions",)


def say(text: str) -> None:
    """Print a line of progress for whoever waits."""
    print(text, flush=True)


@contextlib.contextmanager
def deploy(
    launch: LaunchRecord,
    *,
    logs: Path,
    results: Path | None = None,
    progress: Say = say,
    host_gpus: Callable[[], Sequence[HostGpu]] = tuple,
    endpoints: Collection[Endpoint] = COMPLETIONS,
    make_parts: MakeParts | None = None,
    prepared: Start | None = None,
) -> Iterator[Deployment]:
    """Start a deployment, wait until it has answered a request, and stop all of it at the end of the block.

    logs: a folder below which every start gets its own. results: folder that paths of logs are recorded relative to.
    host_gpus: lists this host's GPUs and who uses them; called only where the deployment is, or says that it is, on
    GPUs. endpoints: kinds that will be asked; somebody else's endpoint need not have others. make_parts: starts the
    instances on the hosts that the deployment names; None: it names none. prepared: the start of this launch that
    `prepare` has begun, with its logs, results, progress and GPUs. Must be called in the main thread of a
    process that `become_subreaper_with_parent_death_signal` was called in.
    """
    if launch.deployment.device == "external":
        yield _external(launch, host_gpus, endpoints)
        return
    start = prepared or Start(launch, logs, results, progress, host_gpus, make_parts)
    try:
        yield start.run()
    finally:
        start.stop()


@contextlib.contextmanager
def prepare(
    launch: LaunchRecord,
    *,
    logs: Path,
    results: Path | None = None,
    progress: Say = say,
    host_gpus: Callable[[], Sequence[HostGpu]] = tuple,
) -> Iterator[Start]:
    """Have servers import what they need, touching no GPU; within the block `deploy` can go on with them.

    They end with the block. It is for deployments on this host alone, and called where `deploy` may be.
    """
    start = Start(launch, logs, results, progress, host_gpus)
    try:
        start.prepare()
        yield start
    finally:
        start.stop()


def _external(
    launch: LaunchRecord, host_gpus: Callable[[], Sequence[HostGpu]], endpoints: Collection[Endpoint]
) -> Deployment:
    gpus = launch.deployment.gpu_indices or ()
    if missing := sorted(set(gpus) - {gpu.index for gpu in host_gpus()} if gpus else ()):
        raise ConfigError(f"serving.gpus: this host has no GPU {missing}; name those that the endpoint computes on")
    base_url = (launch.deployment.base_url or "").rstrip("/").removesuffix("/v1")
    for endpoint in sorted(endpoints):
        first_answers(base_url, launch.served_model_name, 1, api_key(), endpoint=endpoint)
    exporters = launch.deployment.exporters
    elsewhere = [on_host(host.name, gpu_id(index)) for host in exporters for index in host.gpus]
    devices = (*map(gpu_id, gpus), *elsewhere)
    instance = InstanceRecord("external", "single", base_url, (), {}, devices, pid=None, startup_s=None, log="")
    start = ServerStart(new_start_id(), unix_s(), (instance,) if devices else (), {})
    return Deployment(base_url, start, gpus, None, {instance.name: base_url}, exporters=exporters)
