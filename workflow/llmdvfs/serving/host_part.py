"""Starts the instances of a deployment that belong on this host, and ends all of them."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import psutil

from llmdvfs.connectors.version import version_tuple
from llmdvfs.errors import ConfigError
from llmdvfs.models.resolve import resolve_model
from llmdvfs.records.device_id import CPU, gpu_id
from llmdvfs.records.host import HostGpu
from llmdvfs.records.job import LaunchRecord
from llmdvfs.records.route import KvAddresses
from llmdvfs.records.run import InstanceRecord
from llmdvfs.records.spec import HostSpec, Role
from llmdvfs.serving.instance.command import LOOPBACK, network_env, server_argv, server_env, waiting_argv
from llmdvfs.serving.instance.engine_process import START_METHOD, start_method_seen
from llmdvfs.serving.instance.gpus import (
    VISIBLE,
    GpusTaken,
    LeasedGpus,
    expected_gpus,
    open_lease,
    take_gpus,
    visible_gpus,
    within_allocation,
)
from llmdvfs.serving.instance.health import Say
from llmdvfs.serving.instance.kv_cache import kv_cache_made
from llmdvfs.serving.instance.leftovers import end_leftovers
from llmdvfs.serving.instance.memory import Forecast, gpu_forecast, host_forecast, host_total_bytes
from llmdvfs.serving.instance.ports import Reservation, is_listening, owner_of, reserve
from llmdvfs.serving.instance.process import ServerProcess
from llmdvfs.serving.part import Instance, name_of
from llmdvfs.serving.prepared import Place, Prepared, imported_s

GPU_POLL_INTERVAL_S = 1.0
ENDING_LIMIT_S = 15.0  # the guards of a killed run take up to 11 s to end its servers


@dataclass(frozen=True, slots=True)
class StartOrder:
    """What one host is to start of a deployment."""

    launch: LaunchRecord
    start_id: str
    wanted: tuple[tuple[Role, int], ...]
    """Role and number within the role of each instance, in their order."""
    storage: Path | None
    """Folder through which a connector passes KV cache as files, which all hosts share; None: no connector."""
    host: HostSpec | None = None
    """The host as the study describes it; None: the deployment is on the host that measures."""


class HostPart:
    """The instances of one start on this host: a `Part`."""

    def __init__(
        self,
        order: StartOrder,
        folder: Path,
        results: Path,
        say: Say,
        host_gpus: Callable[[], Sequence[HostGpu]],
    ) -> None:
        """Take what is needed for a start.

        folder: takes the logs. results: folder that paths of logs are recorded relative to. host_gpus: lists this
        host's GPUs and who uses them.
        """
        self._order, self._launch, self._spec = order, order.launch, order.launch.deployment
        self._folder, self._results = folder, results
        self._say, self._host_gpus = say, host_gpus
        self._address = LOOPBACK if order.host is None else order.host.address
        self._leased = LeasedGpus((), ())
        self._reservations: list[Reservation] = []
        self._ports: list[int] = []
        self._temporary: Path | None = None
        self._instances: list[Instance] = []
        self._processes: list[ServerProcess] = []
        self._prepared = Prepared()

    def prepare(self) -> None:
        """Have servers import what they need, and wait for `begin`: on the GPUs that are expected then, untouched yet.

        It returns once they have, or have ended, which `begin` finds; ServerNotReady where imports take too long.
        """
        self._bring_model()
        self._make_temporary()
        prepared, gpus = self._prepared, self._gpus_to_come()
        prepared.places = self._dealt(gpus)
        for gpu in gpus:
            prepared.leases[gpu.uuid] = open_lease(gpu)
        argv, leases = waiting_argv(self._spec.python or sys.executable, self._spec.device), prepared.leases.values()
        for role, number, own in prepared.places:
            name, env = name_of(role, number), self._env(role, own, None)
            prepared.servers[name] = self._launched(name, argv, env, tuple(leases), waits=True)
        prepared.await_imports()

    def begin(self) -> Sequence[Instance]:
        """Start all instances at once and return them; ConfigError where that cannot succeed."""
        self._bring_model()
        end_leftovers(self._say)
        places = self._places()
        self._foresee_memory(places)
        if self._order.storage is not None:
            self._order.storage.mkdir(parents=True, exist_ok=True)
        self._make_temporary()
        if self._prepared.servers and not self._prepared.fits(places):
            self._say("what was prepared has ended, or other GPUs are free than were expected: the servers start anew")
            end_servers(list(self._prepared.servers.values()), self._say)
            self._prepared.servers.clear()
        for role, number, gpus in places:
            self._start_instance(role, number, gpus)
        return self._instances

    def lost(self) -> tuple[str, str] | None:
        """Return None: what runs here cannot be lost but by the death of its server."""
        return None

    def ready(self) -> None:
        """Release the ports, which the servers have taken now."""
        while self._reservations:
            self._reservations.pop().release()

    def stop(self) -> None:
        """End everything, and make sure that it has ended."""
        end_servers(self._processes, self._say)
        self.ready()
        self._leased.release()
        self._prepared.release()
        for folder in self._removed():
            shutil.rmtree(folder, ignore_errors=True)
        for port in self._ports:
            if is_listening(self._address, port):
                self._say(f"port {port} is still open after its server was stopped: {owner_of(port)}")

    def records(self, startup_s: Mapping[str, float]) -> tuple[InstanceRecord, ...]:
        """Return what run.json says of the instances, which are ready."""
        return tuple(self._record(item, startup_s[item.name]) for item in self._instances)

    def _record(self, item: Instance, startup_s: float) -> InstanceRecord:
        log = item.process.log.read_text(encoding="utf-8", errors="replace")
        return InstanceRecord(
            name=item.name,
            role=item.role,
            base_url=item.base_url,
            argv=item.argv,
            env=item.env,
            device_ids=tuple(map(gpu_id, item.gpu_indices)) or (CPU,),
            pid=item.process.server_pid(),
            startup_s=startup_s,
            log=os.path.relpath(item.process.log, self._results),
            kv_cache=kv_cache_made(log, has_override=self._spec.engine[item.role].num_gpu_blocks_override is not None),
            engine_process=start_method_seen(item.env.get(START_METHOD), self._spec.device, log),
            prepared_s=imported_s(log) if item.name in self._prepared.servers else None,
        )

    def _bring_model(self) -> None:
        """Make sure that the model is still where it was when the launch was planned; a generated one is made again."""
        if self._spec.model.source != "hub":
            resolve_model(self._spec.model, Path(self._launch.model_path).parent)

    def _places(self) -> list[Place]:
        """Return every instance to be started, with the GPUs that are leased for it."""
        if self._spec.device == "cuda":
            self._leased = self._take_gpus(sum(self._sizes()))
        return self._dealt(self._leased.gpus)

    def _dealt(self, gpus: Sequence[HostGpu]) -> list[Place]:
        """Return every instance with its own of some GPUs; none where it computes on CPUs."""
        given = iter(gpus)
        with_sizes = zip(self._order.wanted, self._sizes(), strict=True)
        return [(role, number, tuple(islice(given, size))) for (role, number), size in with_sizes]

    def _sizes(self) -> list[int]:
        """Return how many workers each instance has."""
        return [self._spec.engine[role].tensor_parallel_size for role, _ in self._order.wanted]

    def _take_gpus(self, num_needed: int) -> LeasedGpus:
        """Lease GPUs; those of a run that is just being ended are waited for."""
        visible = os.environ.get(VISIBLE)
        named = self._spec.gpu_indices if self._order.host is None else self._order.host.gpus
        wanted = within_allocation(named, self._host_gpus(), os.environ)
        if wanted != named:
            dealt = ", ".join(str(gpu.index) for gpu in visible_gpus(self._host_gpus(), visible))
            self._say(f"the scheduler has dealt this job GPUs {dealt}: serving.gpus {list(named or ())} is not applied")
        deadline = time.monotonic() + ENDING_LIMIT_S
        while True:
            try:
                return take_gpus(num_needed, wanted, self._host_gpus(), visible, opened=self._prepared.leases)
            except GpusTaken as taken:
                if time.monotonic() > deadline:
                    raise
                self._say(f"waiting for up to {ENDING_LIMIT_S:g} s: {taken}")
            time.sleep(GPU_POLL_INTERVAL_S)

    def _gpus_to_come(self) -> Sequence[HostGpu]:
        """Return the GPUs that a start would get if the launch that has them now were over."""
        if self._spec.device != "cuda":
            return ()
        host = self._host_gpus()
        wanted = within_allocation(self._spec.gpu_indices, host, os.environ)
        return expected_gpus(sum(self._sizes()), wanted, host, os.environ.get(VISIBLE))

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
        spec, name = self._spec, name_of(role, number)
        size = spec.engine[role].tensor_parallel_size
        http_port = self._reserve()
        kv = None
        if spec.connector is not None:
            kv_port = self._reserve(count=size)
            kv = KvAddresses(
                self._address, http_port, kv_port, str(self._order.storage), f"{self._order.start_id}-{name}", size
            )
        version = version_tuple(self._launch.engine_versions["vllm"])
        argv = server_argv(
            spec,
            role,
            model=self._launch.model_path,
            http_port=http_port,
            engine_version=version,
            kv=kv,
            python=spec.python or sys.executable,
            host=self._address,
        )
        env = self._env(role, gpus, kv)
        process = self._prepared.servers.get(name)
        if process is None:
            process = self._launched(name, argv, env, self._leased.fds)
        else:
            process.tell(argv[argv.index("-m") + 1 :], env)
        base_url = f"http://{self._address}:{http_port}"
        indices = tuple(gpu.index for gpu in gpus)
        self._instances.append(Instance(name, role, base_url, process, argv, env, indices, kv))

    def _launched(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], leases: Sequence[int], *, waits: bool = False
    ) -> ServerProcess:
        log = self._folder / f"{name}.log"
        process = ServerProcess(name, argv, env, log, remove=self._removed(), lease_fds=leases, waits=waits)
        self._processes.append(process)
        return process

    def _env(self, role: Role, gpus: Sequence[HostGpu], kv: KvAddresses | None) -> dict[str, str]:
        version = version_tuple(self._launch.engine_versions["vllm"])
        own = [str(gpu.index) for gpu in gpus]
        env = self._temporary_env() | network_env(self._order.host)
        return env | server_env(self._spec, role, engine_version=version, kv=kv, gpus=own, host=self._address)

    def _make_temporary(self) -> None:
        if self._temporary is None:
            # vLLM leaves sockets and files there. Not below the results: a socket's path may have 107 characters.
            self._temporary = Path(tempfile.mkdtemp(prefix="llmdvfs-"))

    def _removed(self) -> list[Path]:
        """Return the folders that are removed with the servers."""
        return [folder for folder in (self._order.storage, self._temporary) if folder is not None]

    def _temporary_env(self) -> dict[str, str]:
        """Return what gives servers a temporary folder of their own, and leaves compiled kernels where others are."""
        compiled = Path(tempfile.gettempdir()) / f"llmdvfs-torchinductor-{os.getuid()}"
        kept = os.environ.get("TORCHINDUCTOR_CACHE_DIR", str(compiled))
        return {"TMPDIR": str(self._temporary), "TORCHINDUCTOR_CACHE_DIR": kept}

    def _reserve(self, count: int = 1) -> int:
        reservation = reserve(self._address, count=count)
        self._reservations.append(reservation)
        self._ports.append(reservation.port)
        return reservation.port


def end_servers(processes: Sequence[ServerProcess], say: Say) -> None:
    """End servers of this host, all at once, and say which of them would not."""
    for process in processes:
        process.terminate()
    for process in processes:
        if not process.wait_ended():
            say(f"{process.name}: its guard did not end in time and was killed; see {process.log}")
