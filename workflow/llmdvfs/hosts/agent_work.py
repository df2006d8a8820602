"""What an agent can be asked to do, by the means that a run on one host uses too."""

import base64
import hashlib
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from llmdvfs import __version__
from llmdvfs.errors import ConfigError
from llmdvfs.host.hardware import hardware
from llmdvfs.hosts.echo import EchoServer
from llmdvfs.hosts.gpus import foreign_processes, host_gpus
from llmdvfs.hosts.link_watch import LinkWatch
from llmdvfs.hosts.messages import AgentState, Recorded, ServerState, Started, StartedInstance
from llmdvfs.hosts.network import measure_path
from llmdvfs.hosts.wall_clock import wall_clock
from llmdvfs.models.resolve import resolve_model
from llmdvfs.records.store import from_json, to_json
from llmdvfs.serving.host_part import HostPart, StartOrder
from llmdvfs.serving.instance.diagnosis import last_line
from llmdvfs.serving.instance.engine_version import engine_versions
from llmdvfs.serving.part import Instance
from llmdvfs.telemetry.sampler import SamplerHandle, start_sampler

PACKAGE = Path(__file__).parents[1]
STATE_INTERVAL_S = 0.25  # between two looks into the logs of servers that start
FETCH_BYTES = 1 << 20


class AgentWork:
    """Everything that one agent has started, from its first request to its end."""

    def __init__(self, address: str, folder: Path | None, say: Callable[[str], None]) -> None:
        """Begin to answer on the address; ConfigError where this host does not have it.

        folder: where the agent's own folder is made; None: in the system's temporary one. say: takes progress.
        """
        try:
            self._echo = EchoServer(address)
        except OSError as error:
            raise ConfigError(
                f"serving.hosts: {address} is no address of this host ({error.strerror or error}); expected the one at "
                "which the other hosts reach it"
            ) from error
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="llmdvfs-agent-", dir=folder))
        self._models: Path | None = None
        self._say = say
        self._part: HostPart | None = None
        self._instances: tuple[Instance, ...] = ()
        self._ready: set[str] = set()
        self._sampler: SamplerHandle | None = None
        self._links: dict[str, LinkWatch] = {}
        self._refreshed_s = 0.0
        self.state = AgentState()
        """The newest; replaced as a whole, so that another thread may send it."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked and return the answer; errors of the tree, and OSError, say why it cannot be done."""
        wishes: dict[str, Callable[..., dict[str, Any]]] = {
            "hello": self._hello,
            "allow": self._allow,
            "watch": self._watch,
            "begin": self._begin,
            "note": self._note,
            "records": self._records,
            "ready": self._release,
            "sample": self._sample,
            "sampled": self._sampled,
            "foreign": self._foreign,
            "wall_clock": self._wall_clock,
            "path": self._path,
            "fetch": self._fetch,
            "remove": self._remove,
            "stop": self._stop,
        }
        return wishes[request["ask"]](**{key: value for key, value in request.items() if key not in ("id", "ask")})

    def refresh(self) -> None:
        """Look after servers, sampler and links, and renew the state."""
        now_s = time.monotonic()
        if now_s - self._refreshed_s < STATE_INTERVAL_S:
            return
        self._refreshed_s = now_s
        self.state = AgentState(
            servers={item.name: self._server_state(item) for item in self._instances},
            sampler=None if self._sampler is None else self._sampler.poll(),
            silent_s={name: link.silent_s() for name, link in self._links.items()},
        )

    def close(self) -> None:
        """End everything and leave nothing behind."""
        self._stop()
        for link in self._links.values():
            link.close()
        self._echo.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _server_state(self, item: Instance) -> ServerState:
        known = self.state.servers.get(item.name)
        if known is not None and known.cause:
            return known
        server = item.process
        starts = item.name not in self._ready
        code, failed = server.exit_code(), starts and server.engine_failed_to_start()
        dead = server.is_dead()
        return ServerState(
            pid=server.server_pid() if starts or known is None or known.pid is None else known.pid,
            exit_code=code,
            engine_failed=failed,
            is_dead=dead,
            cause=server.cause_of_death() if dead or failed or code is not None else "",
            last_words=last_line(server.log_tail()) or "" if starts else "",
        )

    def _hello(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "code": code_fingerprint(),
            "python": platform.python_version(),
            "hardware": hardware(),
            "echo_port": self._echo.port,
        }

    def _allow(self, addresses: list[str]) -> dict[str, Any]:
        self._echo.allow(addresses)
        return {}

    def _watch(self, links: dict[str, list[Any]]) -> dict[str, Any]:
        self._links = {name: LinkWatch(address, port) for name, (address, port) in links.items()}
        return {}

    def _begin(self, order: str) -> dict[str, Any]:
        given = from_json(order, StartOrder)
        self._check_engine(given)
        # Not in the agent's own folder: NIXL refuses engines that name their model by different paths.
        self._models = self._folder.parent / f"llmdvfs-models-{given.start_id}"
        model = resolve_model(given.launch.deployment.model, self._models)
        given = replace(given, launch=replace(given.launch, model_path=model))
        self._part = HostPart(given, self._folder, self._folder, self._say, host_gpus)
        self._ready.clear()
        self._instances = tuple(self._part.begin())
        started = Started(
            tuple(
                StartedInstance(item.name, item.role, item.base_url, item.argv, item.env, item.gpu_indices, item.kv)
                for item in self._instances
            )
        )
        return to_json(started)

    def _check_engine(self, order: StartOrder) -> None:
        python = order.launch.deployment.python
        here, there = engine_versions(python).get("vllm"), order.launch.engine_versions.get("vllm")
        if here != there:
            raise ConfigError(
                f"vLLM {here} here and {there} on the host that measures; expected the same on all hosts: install it, "
                "or name another Python in serving.python"
            )

    def _note(self, name: str) -> dict[str, Any]:
        next(item for item in self._instances if item.name == name).process.note_family()
        self._ready.add(name)
        return {}

    def _records(self, startup_s: dict[str, float]) -> dict[str, Any]:
        return to_json(Recorded(self._begun().records(startup_s)))

    def _release(self) -> dict[str, Any]:
        self._begun().ready()
        return {}

    def _begun(self) -> HostPart:
        if self._part is None:
            raise ConfigError("no instances were started here yet; expected `begin` first")
        return self._part

    def _sample(self, file: str, interval_s: float, counter_interval_s: float) -> dict[str, Any]:
        gpus = self._gpu_indices()
        self._sampler = start_sampler(
            self._inside(file),
            interval_s=interval_s,
            counter_interval_s=counter_interval_s,
            gpu_indices=None if gpus else (),  # all of them: what others draw is reported apart
            needed_gpus=gpus,
        )
        self._sampler.wait_ready()
        return {}

    def _sampled(self) -> dict[str, Any]:
        if self._sampler is not None:
            sampler, self._sampler = self._sampler, None
            sampler.stop()
        return {}

    def _foreign(self) -> dict[str, Any]:
        seen = foreign_processes(self._gpu_indices())
        return {"seen": None if seen is None else list(seen)}

    def _wall_clock(self) -> dict[str, Any]:
        seen = wall_clock()
        return {"seen": None if seen is None else asdict(seen)}

    def _gpu_indices(self) -> list[int]:
        return [index for item in self._instances for index in item.gpu_indices]

    def _path(self, address: str, port: int) -> dict[str, Any]:
        found = measure_path(address, port)
        return {"round_trip_s": found.round_trip_s, "rate_bytes_per_s": found.rate_bytes_per_s}

    def _fetch(self, file: str, offset: int) -> dict[str, Any]:
        with self._inside(file).open("rb") as source:
            source.seek(offset)
            return {"content": base64.b64encode(source.read(FETCH_BYTES)).decode()}

    def _remove(self, file: str) -> dict[str, Any]:
        self._inside(file).unlink()
        return {}

    def _inside(self, file: str) -> Path:
        """Return the path of a file of the agent's own folder; nothing else is read or written for whoever asks."""
        path = (self._folder / file).resolve()
        if path.parent != self._folder.resolve():
            raise ConfigError(f"{file}: expected the name of a file in the agent's own folder")
        return path

    def _stop(self) -> dict[str, Any]:
        self._sampled()
        if self._part is not None:
            part, self._part, self._instances = self._part, None, ()
            part.stop()
        if self._models is not None:
            shutil.rmtree(self._models, ignore_errors=True)
        return {}


def code_fingerprint() -> str:
    """Return 12 hex digits over all of this library's files: two hosts with other code would measure otherwise."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
