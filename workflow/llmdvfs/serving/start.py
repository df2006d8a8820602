"""Starts a deployment on this host, from ports to the first answer, and ends all of it."""

import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import psutil

from llmdvfs.architectures.table import architecture_named
from llmdvfs.clock import unix_s
from llmdvfs.connectors.connector import KvAddresses
from llmdvfs.connectors.version import version_tuple
from llmdvfs.errors import ConfigError
from llmdvfs.models.resolve import resolve_model
from llmdvfs.records.device_id import CPU, gpu_id
from llmdvfs.records.host import HostGpu
from llmdvfs.records.job import LaunchRecord
from llmdvfs.records.run import InstanceRecord, ServerStart
from llmdvfs.records.spec import Role
from llmdvfs.records.store import write_record
from llmdvfs.serving.deployment import Deployment, Instance
from llmdvfs.serving.instance.command import LOOPBACK, server_argv, server_env
from llmdvfs.serving.instance.gpus import GpusTaken, LeasedGpus, take_gpus
from llmdvfs.serving.instance.health import Say, first_answers, wait_healthy
from llmdvfs.serving.instance.kv_cache import kv_cache_made
from llmdvfs.serving.instance.leftovers import end_leftovers
from llmdvfs.serving.instance.memory import Forecast, gpu_forecast, host_forecast, host_total_bytes
from llmdvfs.serving.instance.ports import Reservation, is_listening, owner_of, reserve
from llmdvfs.serving.instance.process import ServerProcess
from llmdvfs.serving.proxy.plan import ProxyPlan, Upstream

GPU_POLL_INTERVAL_S = 1.0
ENDING_LIMIT_S = 15.0  # the guards of a killed run take up to 11 s to end its servers

Place = tuple[Role, int, Sequence[HostGpu]]
"""An instance's role, its number within the role, and its GPUs."""


def new_start_id() -> str:
    """Return an id for one start of servers, which no other start has."""
    return uuid.uuid4().hex[:12]


class Start:
    """One start of a deployment, from ports to the end of the last process.

    Call `run` once, and `stop` in any case.
    """

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
        self._id = new_start_id()
        self._started_unix_s = unix_s()
        self._folder = (logs / f"start-{self._id}").resolve()
        self._storage = self._folder / "kv"
        self._temporary: Path | None = None
        self._results = (results or Path.cwd()).resolve()
        self._say = progress
        self._host_gpus = host_gpus
        self._leased = LeasedGpus((), ())
        self._reservations: list[Reservation] = []
        self._instances: list[Instance] = []
        self._proxy: ServerProcess | None = None
        self._ports: list[int] = []

    def run(self) -> Deployment:
        """Start everything at once, wait until it serves, and return the running deployment."""
        self._folder.mkdir(parents=True)
        self._bring_model()
        end_leftovers(self._say)
        places = self._places()
        self._foresee_memory(places)
        has_proxy = self._architecture.front_door != "none"
        # The front door's port first: where the wanted one is taken, nothing has been started in vain.
        door_port = self._reserve(self._spec.proxy_port or 0) if has_proxy else None
        if self._spec.connector is not None:
            self._storage.mkdir()
        # vLLM leaves sockets and files there. Not below the results: a socket's path may have 107 characters.
        self._temporary = Path(tempfile.mkdtemp(prefix="llmdvfs-"))
        for role, number, gpus in places:
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
            metrics_urls={instance.name: instance.base_url for instance in self._instances},
        )

    def stop(self) -> None:
        """End everything, and make sure that it has ended."""
        processes = self._processes()
        for process in processes:
            process.terminate()
        for process in processes:
            if not process.wait_ended():
                self._say(f"{process.name}: its guard did not end in time and was killed; see {process.log}")
        self._release_ports()
        self._leased.release()
        for folder in self._removed():
            shutil.rmtree(folder, ignore_errors=True)
        for port in self._ports:
            if is_listening(LOOPBACK, port):
                self._say(f"port {port} is still open after its server was stopped: {owner_of(port)}")

    def _places(self) -> list[Place]:
        """Return every instance to be started, with the GPUs that are leased for it."""
        spec = self._spec
        wanted = [(role, number) for role in self._architecture.roles for number in range(spec.num_instances[role])]
        sizes = [spec.engine[role].tensor_parallel_size for role, _ in wanted]
        if spec.device != "cuda":
            return [(role, number, ()) for role, number in wanted]
        self._leased = self._take_gpus(sum(sizes))
        gpus = iter(self._leased.gpus)
        return [(role, number, tuple(islice(gpus, size))) for (role, number), size in zip(wanted, sizes, strict=True)]

    def _take_gpus(self, num_needed: int) -> LeasedGpus:
        """Lease GPUs; those of a run that is just being ended are waited for."""
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        deadline = time.monotonic() + ENDING_LIMIT_S
        while True:
            try:
                return take_gpus(num_needed, self._spec.gpu_indices, self._host_gpus(), visible)
            except GpusTaken as taken:
                if time.monotonic() > deadline:
                    raise
                self._say(f"waiting for up to {ENDING_LIMIT_S:g} s: {taken}")
            time.sleep(GPU_POLL_INTERVAL_S)

    def _bring_model(self) -> None:
        """Make sure that the model is still where it was when the launch was planned; a generated one is made again."""
        if self._spec.model.source != "hub":
            resolve_model(self._spec.model, Path(self._launch.model_path).parent)

    def _foresee_memory(self, places: Sequence[Place]) -> None:
        """Say before anything is loaded that it will not fit; a hub model's size is not known here."""
        model = Path(self._launch.model_path)
        if not model.is_dir():
            return
        version = version_tuple(self._launch.engine_versions["vllm"])
        if self._spec.device == "cpu":
            self._heed(
                host_forecast(
                    self._spec,
                    model,
                    psutil.virtual_memory().available,
                    total_bytes=host_total_bytes(),
                    engine_version=version,
                )
            )
        for role, _, gpus in places:
            for gpu in gpus:
                self._heed(gpu_forecast(self._spec.engine[role], model, gpu, version))

    def _heed(self, forecast: Forecast) -> None:
        """Stop at what cannot start; say what may not, and go on."""
        if forecast.impossible is not None and self._spec.memory_check:
            raise ConfigError(forecast.impossible)
        for said in (forecast.impossible, forecast.doubtful):
            if said is not None:
                self._say(f"foreseen, and tried all the same: {said}")

    def _start_instance(self, role: Role, number: int, gpus: Sequence[HostGpu]) -> None:
        spec, name = self._spec, f"{role}-{number}"
        size = spec.engine[role].tensor_parallel_size
        http_port = self._reserve()
        kv = None
        if spec.connector is not None:
            kv_port = self._reserve(count=size)
            kv = KvAddresses(LOOPBACK, http_port, kv_port, str(self._storage), f"{self._id}-{name}", size)
        version = version_tuple(self._launch.engine_versions["vllm"])
        argv = server_argv(
            spec,
            role,
            model=self._launch.model_path,
            http_port=http_port,
            engine_version=version,
            kv=kv,
            python=spec.python or sys.executable,
        )
        env = self._temporary_env()
        env |= server_env(spec, role, engine_version=version, kv=kv, gpus=[str(gpu.index) for gpu in gpus])
        process = ServerProcess(
            name,
            argv,
            env,
            self._folder / f"{name}.log",
            remove=self._removed(),
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
                tuple(gpu.index for gpu in gpus),
                kv,
            )
        )

    def _removed(self) -> list[Path]:
        """Return the folders that are removed with the servers."""
        return [self._storage, *([self._temporary] if self._temporary else [])]

    def _temporary_env(self) -> dict[str, str]:
        """Return what gives servers a temporary folder of their own, and leaves compiled kernels where others are."""
        compiled = Path(tempfile.gettempdir()) / f"llmdvfs-torchinductor-{os.getuid()}"
        kept = os.environ.get("TORCHINDUCTOR_CACHE_DIR", str(compiled))
        return {"TMPDIR": str(self._temporary), "TORCHINDUCTOR_CACHE_DIR": kept}

    def _start_proxy(self, port: int) -> str:
        upstreams = tuple(Upstream(item.name, item.role, item.base_url, item.kv) for item in self._instances)
        plan = self._folder / "proxy_plan.json"
        write_record(plan, ProxyPlan(upstreams, self._spec.connector, self._spec.balancer))
        argv = [sys.executable, "-m", "llmdvfs", "proxy", "--plan", str(plan), "--port", str(port), "--host", LOOPBACK]
        argv += ["--log", str(self._folder / "proxy.jsonl")]
        self._proxy = ServerProcess("proxy", argv, {}, self._folder / "proxy.log")
        base_url = f"http://{LOOPBACK}:{port}"
        wait_healthy({base_url: self._proxy}, self._spec.startup_timeout_s, self._say, ready=self._servers())
        return base_url

    def _first_answers(self, base_url: str) -> None:
        model = self._launch.served_model_name
        if self._architecture.front_door == "prefill_decode":
            # In turns, so many requests reach every instance. Only through the proxy: connectors need its request ids.
            first_answers(base_url, model, max(self._spec.num_instances.values()), ready=self._processes())
            return
        for instance in self._instances:
            first_answers(instance.base_url, model, 1, ready=self._processes())

    def _servers(self) -> list[ServerProcess]:
        return [instance.process for instance in self._instances]

    def _processes(self) -> list[ServerProcess]:
        """Return everything that was started, the proxy first."""
        return [*([self._proxy] if self._proxy else []), *self._servers()]

    def _record(self, startup_s: dict[str, float]) -> ServerStart:
        instances = tuple(
            InstanceRecord(
                name=item.name,
                role=item.role,
                base_url=item.base_url,
                argv=item.argv,
                env=item.env,
                device_ids=tuple(map(gpu_id, item.gpu_indices)) or (CPU,),
                pid=item.process.server_pid(),
                startup_s=startup_s[item.name],
                log=os.path.relpath(item.process.log, self._results),
                kv_cache=kv_cache_made(
                    item.process.log.read_text(encoding="utf-8", errors="replace"),
                    has_override=self._spec.engine[item.role].num_gpu_blocks_override is not None,
                ),
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
