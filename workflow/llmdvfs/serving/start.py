"""Starts a deployment, from the proxy's port to the first answer, and ends all of it."""

import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from llmdvfs.architectures.table import architecture_named
from llmdvfs.clock import unix_s
from llmdvfs.records.host import HostGpu
from llmdvfs.records.job import LaunchRecord
from llmdvfs.records.route import RoutePlan, Upstream
from llmdvfs.records.run import ServerStart
from llmdvfs.records.spec import Role
from llmdvfs.records.store import write_record
from llmdvfs.serving.deployment import Deployment
from llmdvfs.serving.host_part import HostPart, StartOrder, end_servers
from llmdvfs.serving.instance.command import LOOPBACK
from llmdvfs.serving.instance.first_handover import first_handovers
from llmdvfs.serving.instance.health import Say, first_answers, wait_healthy
from llmdvfs.serving.instance.ports import Reservation, is_listening, owner_of, reserve
from llmdvfs.serving.instance.process import ServerProcess
from llmdvfs.serving.part import Instance, Part, Server, name_of
from llmdvfs.serving.proxy.plan import ProxyPlan

WARMS_UP = "example"
"""Connector whose instances answer by themselves first. An engine on a CPU with AMX whose first tokens are the few that
a transferred prompt leaves to it, in bfloat16, dies by an illegal instruction (vLLM 0.32; docs/engine.md)."""

MakeParts = Callable[[StartOrder, Path], Sequence[Part]]
"""Makes the parts of a start that is spread over hosts: the whole order, and the folder for logs."""


def new_start_id() -> str:
    """Return an id for one start of servers, which no other start has."""
    return uuid.uuid4().hex[:12]


class Start:
    """One start of a deployment, from ports to the end of the last process.

    Call `run` once, `prepare` at most once before that, and `stop` in any case.
    """

    def __init__(
        self,
        launch: LaunchRecord,
        logs: Path,
        results: Path | None,
        progress: Say,
        host_gpus: Callable[[], Sequence[HostGpu]],
        make_parts: MakeParts | None = None,
    ) -> None:
        self._launch = launch
        self._spec = launch.deployment
        self._architecture = architecture_named(self._spec.architecture)
        self._id = new_start_id()
        self._folder = (logs / f"start-{self._id}").resolve()
        self._results = (results or Path.cwd()).resolve()
        self._say = progress
        self._host_gpus = host_gpus
        self._make_parts = make_parts or self._on_this_host
        self._parts: Sequence[Part] = ()
        self._instances: list[Instance] = []
        self._proxy: ServerProcess | None = None
        self._door: Reservation | None = None

    def prepare(self) -> None:
        """Have the servers of this host import what they need, up to where they would touch a GPU; `run` goes on."""
        self._folder.mkdir(parents=True)
        part = HostPart(self._start_order(), self._folder, self._results, self._say, self._host_gpus)
        self._parts = [part]  # before it begins: what it has started is stopped in any case
        part.prepare()

    def run(self) -> Deployment:
        """Start everything at once, wait until it serves, and return the running deployment."""
        started_unix_s = unix_s()
        self._folder.mkdir(parents=True, exist_ok=bool(self._parts))
        has_proxy = self._architecture.front_door != "none" and self._spec.route == "proxy"
        # The front door's port first: where the wanted one is taken, nothing has been started in vain.
        self._door = reserve(LOOPBACK, self._spec.proxy_port or 0) if has_proxy else None
        order = self._start_order()
        self._parts = self._parts or self._make_parts(order, self._folder)
        for part in self._parts:
            self._instances += part.begin()
        # In the order of the architecture, whichever hosts they are on.
        names = [name_of(role, number) for role, number in self._wanted()]
        self._instances.sort(key=lambda instance: names.index(instance.name))
        route = self._route()
        starting = {instance.base_url: instance.process for instance in self._instances}
        base_url = self._instances[0].base_url
        if self._door is not None:
            base_url, self._proxy = self._start_proxy(self._door.port, route)
            starting[base_url] = self._proxy  # the last: it answers once the instances do
        startup_s = wait_healthy(starting, self._spec.startup_timeout_s, self._say)
        self._first_answers(base_url, route)
        records = {record.name: record for part in self._parts for record in part.records(startup_s)}
        for part in self._parts:
            part.ready()
        self._release_door()
        versions = self._launch.engine_versions
        return Deployment(
            base_url=base_url,
            server_start=ServerStart(self._id, started_unix_s, tuple(records[name] for name in names), versions),
            gpu_indices=() if self._spec.hosts else tuple(i for item in self._instances for i in item.gpu_indices),
            proxy_log=self._folder / "proxy.jsonl" if has_proxy else None,
            instances=tuple(self._instances),
            proxy=self._proxy,
            storage=order.storage,
            metrics_urls={instance.name: instance.base_url for instance in self._instances},
            parts=tuple(self._parts),
            route=route if self._spec.route == "direct" else None,
        )

    def stop(self) -> None:
        """End everything, and make sure that it has ended."""
        end_servers([self._proxy] if self._proxy else [], self._say)
        for part in self._parts:
            part.stop()
        self._release_door()
        if self._door is not None and is_listening(LOOPBACK, self._door.port):
            self._say(f"port {self._door.port} is still open after the proxy was stopped: {owner_of(self._door.port)}")

    def _start_order(self) -> StartOrder:
        return StartOrder(self._launch, self._id, self._wanted(), self._storage())

    def _on_this_host(self, order: StartOrder, folder: Path) -> Sequence[Part]:
        return [HostPart(order, folder, self._results, self._say, self._host_gpus)]

    def _wanted(self) -> tuple[tuple[Role, int], ...]:
        """Return role and number of every instance, in the order of the architecture."""
        roles = self._architecture.roles
        return tuple((role, number) for role in roles for number in range(self._spec.num_instances[role]))

    def _storage(self) -> Path | None:
        """Return the folder for KV cache as files: with the logs, or where all hosts have it."""
        if self._spec.connector is None:
            return None
        shared = self._spec.hosts[0].folder if self._spec.hosts else None
        return self._folder / "kv" if shared is None else Path(shared) / f"llmdvfs-kv-{self._id}"

    def _route(self) -> RoutePlan:
        """Return the instances, for whoever chooses among them: the proxy or clients."""
        upstreams = tuple(Upstream(item.name, item.role, item.base_url, item.kv) for item in self._instances)
        return RoutePlan(upstreams, self._spec.connector, self._spec.balancer)

    def _start_proxy(self, port: int, route: RoutePlan) -> tuple[str, ServerProcess]:
        plan = self._folder / "proxy_plan.json"
        write_record(plan, ProxyPlan(route.upstreams, route.connector, route.policy))
        argv = [sys.executable, "-m", "llmdvfs", "proxy", "--plan", str(plan), "--port", str(port), "--host", LOOPBACK]
        argv += ["--log", str(self._folder / "proxy.jsonl")]
        return f"http://{LOOPBACK}:{port}", ServerProcess("proxy", argv, {}, self._folder / "proxy.log")

    def _first_answers(self, base_url: str, route: RoutePlan) -> None:
        model = self._launch.served_model_name
        ready = [*([self._proxy] if self._proxy else []), *self._servers()]
        if self._spec.connector == WARMS_UP:
            for instance in self._instances:
                first_answers(instance.base_url, model, 1, ready=ready)
        if self._architecture.front_door == "prefill_decode" and self._proxy is None:
            first_handovers(route, model, ready)
            return
        if self._architecture.front_door == "prefill_decode":
            # In turns, so many requests reach every instance. Only through the proxy: connectors need its request ids.
            first_answers(base_url, model, max(self._spec.num_instances.values()), ready=ready)
            return
        for instance in self._instances:
            first_answers(instance.base_url, model, 1, ready=ready)

    def _servers(self) -> list[Server]:
        return [instance.process for instance in self._instances]

    def _release_door(self) -> None:
        if self._door is not None:
            self._door.release()
