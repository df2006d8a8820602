"""A deployment while it runs: started, ready, watched, stopped."""

import contextlib
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from llmdvfs.architectures.table import architecture_named
from llmdvfs.clock import unix_s
from llmdvfs.connectors.connector import KvAddresses
from llmdvfs.connectors.version import version_tuple
from llmdvfs.errors import ServerNotReady
from llmdvfs.records.host import HostGpu
from llmdvfs.records.job import LaunchRecord
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.run import InstanceRecord, ServerStart
from llmdvfs.records.spec import Role
from llmdvfs.records.store import write_record
from llmdvfs.serving.command import LOOPBACK, server_argv, server_env
from llmdvfs.serving.gpus import LeasedGpus, take_gpus
from llmdvfs.serving.health import Say, first_answers, wait_healthy
from llmdvfs.serving.http import post
from llmdvfs.serving.journal import proxy_records
from llmdvfs.serving.memory import check_gpu_memory, check_host_memory
from llmdvfs.serving.ports import Reservation, is_listening, owner_of, reserve
from llmdvfs.serving.process import ServerProcess
from llmdvfs.serving.proxy_plan import ProxyPlan, Upstream
from llmdvfs.serving.scrape import scrape

API_KEY_VARIABLE = "LLMDVFS_API_KEY"
RESET_LIMIT_S = 30.0
STAMPS_LIMIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Instance:
    """One server that was started."""

    name: str
    role: Role
    base_url: str
    process: ServerProcess
    argv: tuple[str, ...]
    env: dict[str, str]
    gpu_indices: tuple[int, ...]
    kv: KvAddresses | None


@dataclass(slots=True)
class Deployment:
    """Servers that are ready, and the address that clients use."""

    base_url: str
    server_start: ServerStart
    gpu_indices: tuple[int, ...]
    """Of all instances; empty on a CPU."""
    proxy_log: Path | None
    """One line of stamps a request; None where no proxy stands before the servers."""
    instances: tuple[Instance, ...] = ()
    proxy: ServerProcess | None = None
    storage: Path | None = None
    """Folder of a file connector."""
    _metrics_urls: dict[str, str] = field(default_factory=dict)

    def processes(self) -> list[ServerProcess]:
        """Return everything that runs for this deployment, the proxy first."""
        return [*([self.proxy] if self.proxy else []), *(instance.process for instance in self.instances)]

    def first_dead(self) -> tuple[str, str] | None:
        """Return the name of a server that has ended, or whose engine has, and why; None: all run."""
        for process in self.processes():
            if process.is_dead():
                return process.name, process.cause_of_death()
        return None

    def scrape_metrics(self) -> MetricsRecord:
        """Return the metrics of all instances, now."""
        return scrape(self._metrics_urls)

    def proxy_records(self, request_ids: Collection[str]) -> list[ProxyRecord]:
        """Return the proxy's stamps of some requests that have ended for their clients; empty without a proxy."""
        if self.proxy_log is None:
            return []
        deadline = time.monotonic() + STAMPS_LIMIT_S
        # The proxy writes a request's stamps just after its last byte, so the newest may be on their way.
        while len(found := proxy_records(self.proxy_log, request_ids)) < len(request_ids):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        return found

    def reset(self) -> None:
        """Make the state before a cell equal to that after the start: no cached prefixes, no transferred files."""
        if self.storage is not None:
            for entry in self.storage.iterdir():
                shutil.rmtree(entry, ignore_errors=True)
        for instance in self.instances:
            if "--enable-prefix-caching" in instance.argv:
                answer = post(f"{instance.base_url}/reset_prefix_cache", {}, RESET_LIMIT_S)
                if not answer.ok:
                    raise ServerNotReady(
                        f"{instance.name}: its prefix cache could not be emptied (status {answer.status}), so "
                        "cells would depend on their order: set engine.enable_prefix_caching to false"
                    )


def say(text: str) -> None:
    """Print progress for whoever waits."""
    print(text, flush=True)


@contextlib.contextmanager
def deploy(
    launch: LaunchRecord,
    *,
    logs: Path,
    results: Path | None = None,
    progress: Say = say,
    host_gpus: Callable[[], Sequence[HostGpu]] = tuple,
) -> Iterator[Deployment]:
    """Start a deployment, wait until it has answered a request, and stop all of it at the end of the block.

    logs: a folder below which every start has its own. results: what paths of logs are recorded relative to.
    host_gpus: lists this host's GPUs and who uses them; called for a deployment on GPUs only.
    Call it in the main thread of a process that `become_subreaper_with_parent_death_signal` was called in.
    """
    if launch.deployment.device == "external":
        yield _external(launch)
        return
    start = _Start(launch, logs, results, progress, host_gpus)
    try:
        yield start.run()
    finally:
        start.stop()


def _external(launch: LaunchRecord) -> Deployment:
    base_url = (launch.deployment.base_url or "").rstrip("/").removesuffix("/v1")
    key = os.environ.get(API_KEY_VARIABLE)
    first_answers(base_url, launch.served_model_name, 1, {"Authorization": f"Bearer {key}"} if key else None)
    return Deployment(
        base_url, ServerStart(_new_id(), unix_s(), (), {}), (), None, _metrics_urls={"external": base_url}
    )


def _new_id() -> str:
    return uuid.uuid4().hex[:12]


class _Start:
    """One start, from ports to the last process ended."""

    def __init__(
        self,
        launch: LaunchRecord,
        logs: Path,
        results: Path | None,
        progress: Say,
        host_gpus: Callable[[], Sequence[HostGpu]],
    ) -> None:
        self._launch = launch
        self._spec = launch.deployment
        self._architecture = architecture_named(self._spec.architecture)
        self._id = _new_id()
        self._started_unix_s = unix_s()
        self._folder = (logs / f"start-{self._id}").resolve()
        self._storage = self._folder / "kv"
        self._results = (results or Path.cwd()).resolve()
        self._say = progress
        self._host_gpus = host_gpus
        self._leased = LeasedGpus((), ())
        self._reservations: list[Reservation] = []
        self._instances: list[Instance] = []
        self._proxy: ServerProcess | None = None
        self._ports: list[int] = []

    def run(self) -> Deployment:
        """Start everything at once and wait until it serves."""
        self._folder.mkdir(parents=True)
        gpus = self._take_gpus() if self._spec.device == "cuda" else []
        has_proxy = self._architecture.front_door != "none"
        # The front door's port first: where the wanted one is taken, nothing has been started in vain.
        door_port = self._reserve(self._spec.proxy_port or 0) if has_proxy else None
        if self._spec.connector is not None:
            self._storage.mkdir()
        if self._spec.device == "cpu" and Path(self._launch.model_path).is_dir():
            check_host_memory(self._spec, Path(self._launch.model_path), psutil.virtual_memory().available)
        for role in self._architecture.roles:
            for number in range(self._spec.num_instances[role]):
                self._start_instance(role, number, gpus)
        startup_s = wait_healthy(
            {instance.base_url: instance.process for instance in self._instances},
            self._spec.startup_timeout_s,
            self._say,
        )
        base_url = self._instances[0].base_url if door_port is None else self._start_proxy(door_port)
        self._first_answers(base_url)
        self._release_ports()
        return Deployment(
            base_url=base_url,
            server_start=self._record(startup_s),
            gpu_indices=tuple(index for instance in self._instances for index in instance.gpu_indices),
            proxy_log=self._folder / "proxy.jsonl" if has_proxy else None,
            instances=tuple(self._instances),
            proxy=self._proxy,
            storage=self._storage if self._spec.connector is not None else None,
            _metrics_urls={instance.name: instance.base_url for instance in self._instances},
        )

    def stop(self) -> None:
        """End everything, and make sure that it has ended."""
        processes = [*([self._proxy] if self._proxy else []), *(instance.process for instance in self._instances)]
        for process in processes:
            process.terminate()
        for process in processes:
            if not process.wait_ended():
                self._say(f"{process.name}: its guard did not end in time and was killed; see {process.log}")
        self._release_ports()
        self._leased.release()
        shutil.rmtree(self._storage, ignore_errors=True)
        for port in self._ports:
            if is_listening(LOOPBACK, port):
                self._say(f"port {port} is still open after its server was stopped: {owner_of(port)}")

    def _take_gpus(self) -> list[HostGpu]:
        """Return the GPUs of all instances, in the order in which instances are started."""
        spec = self._spec
        num_needed = sum(spec.engine[role].tensor_parallel_size * spec.num_instances[role] for role in spec.engine)
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        self._leased = take_gpus(num_needed, spec.gpu_indices, self._host_gpus(), visible)
        return list(self._leased.gpus)

    def _start_instance(self, role: Role, number: int, gpus: list[HostGpu]) -> None:
        """Start one instance on the first of the GPUs, which it takes out of the list."""
        spec, name = self._spec, f"{role}-{number}"
        size = spec.engine[role].tensor_parallel_size
        own_gpus = gpus[:size]
        del gpus[:size]
        model = Path(self._launch.model_path)
        if model.is_dir():
            for gpu in own_gpus:
                check_gpu_memory(spec.engine[role], model, gpu)
        http_port = self._reserve()
        kv = None
        if spec.connector is not None:
            kv_port = self._reserve(count=size)
            kv = KvAddresses(LOOPBACK, http_port, kv_port, str(self._storage), f"{self._id}-{name}", size)
        version = version_tuple(self._launch.engine_versions["vllm"])
        argv = server_argv(
            spec,
            role,
            number,
            model=self._launch.model_path,
            http_port=http_port,
            engine_version=version,
            kv=kv,
            python=spec.python or sys.executable,
        )
        env = server_env(spec, role, number, engine_version=version, kv=kv, gpus=[str(gpu.index) for gpu in own_gpus])
        process = ServerProcess(
            name,
            argv,
            env,
            self._folder / f"{name}.log",
            remove=[self._storage] if kv else [],
            lease_fds=self._leased.fds,
        )
        self._instances.append(
            Instance(
                name,
                role,
                f"http://{LOOPBACK}:{http_port}",
                process,
                argv,
                env,
                tuple(gpu.index for gpu in own_gpus),
                kv,
            )
        )

    def _start_proxy(self, port: int) -> str:
        upstreams = tuple(Upstream(item.name, item.role, item.base_url, item.kv) for item in self._instances)
        plan = self._folder / "proxy_plan.json"
        write_record(plan, ProxyPlan(upstreams, self._spec.connector, self._spec.balancer))
        argv = [sys.executable, "-m", "llmdvfs", "proxy", "--plan", str(plan), "--port", str(port), "--host", LOOPBACK]
        argv += ["--log", str(self._folder / "proxy.jsonl")]
        self._proxy = ServerProcess("proxy", argv, {}, self._folder / "proxy.log")
        base_url = f"http://{LOOPBACK}:{port}"
        wait_healthy({base_url: self._proxy}, self._spec.startup_timeout_s, self._say)
        return base_url

    def _first_answers(self, base_url: str) -> None:
        model = self._launch.served_model_name
        if self._architecture.front_door == "prefill_decode":
            # In turns, so many requests reach every instance. Only through the proxy: connectors need its request ids.
            first_answers(base_url, model, max(self._spec.num_instances.values()))
            return
        for instance in self._instances:
            first_answers(instance.base_url, model, 1)

    def _record(self, startup_s: dict[str, float]) -> ServerStart:
        instances = tuple(
            InstanceRecord(
                name=item.name,
                role=item.role,
                base_url=item.base_url,
                argv=item.argv,
                env=item.env,
                device_ids=tuple(f"gpu{index}" for index in item.gpu_indices) or ("cpu",),
                pid=item.process.server_pid(),
                startup_s=startup_s[item.name],
                log=os.path.relpath(item.process.log, self._results),
            )
            for item in self._instances
        )
        return ServerStart(self._id, self._started_unix_s, instances, self._launch.engine_versions)

    def _reserve(self, port: int = 0, count: int = 1) -> int:
        reservation = reserve(LOOPBACK, port, count)
        self._reservations.append(reservation)
        self._ports.append(reservation.port)
        return reservation.port

    def _release_ports(self) -> None:
        while self._reservations:
            self._reservations.pop().release()
