"""One host of a deployment, through its agent: its instances, its sampler, its clock and its network."""

import base64
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from llmdvfs.errors import ConfigError, LlmDvfsError, ServerNotReady
from llmdvfs.hosts.agent_work import code_fingerprint
from llmdvfs.hosts.channel import Channel
from llmdvfs.hosts.link_watch import LinkWatch, is_lost
from llmdvfs.hosts.messages import Recorded, Started
from llmdvfs.hosts.network import own_address
from llmdvfs.hosts.refusals import advice
from llmdvfs.hosts.remote_server import RemoteServer
from llmdvfs.records.device_id import on_host
from llmdvfs.records.host_files import clock_of, telemetry_of, telemetry_report_of
from llmdvfs.records.hosts import HostPath, HostRecord, WallClock
from llmdvfs.records.run import InstanceRecord
from llmdvfs.records.spec import HostSpec
from llmdvfs.records.store import compact_json, record_of, write_lines
from llmdvfs.serving.host_part import StartOrder
from llmdvfs.serving.instance.health import Say
from llmdvfs.serving.part import Instance

HELLO_LIMIT_S = 60.0  # ssh logs in, and Python starts from a shared file system
BEGIN_LIMIT_S = 120.0  # a model is written, GPUs are waited for
ASK_LIMIT_S = 30.0
STOP_LIMIT_S = 40.0
SAMPLER_FILE = "telemetry.jsonl"


class RemoteHost:
    """One host with its agent, from the agent's start to its end: a `Part` of a deployment."""

    def __init__(self, spec: HostSpec, log: Path, say: Say) -> None:
        """Start the agent; `greet` waits for it. log: takes what it says."""
        self.spec, self._say = spec, say
        self.hardware: dict[str, Any] = {}
        self.echo_port = 0
        self._log = log
        self._channel = Channel(spec.name, agent_command(spec), log)
        self._order: StartOrder | None = None
        self._instances: list[Instance] = []
        self._link: LinkWatch | None = None
        self._folder = self._results = log.parent

    @property
    def name(self) -> str:
        """Return the host's name in the study."""
        return self.spec.name

    def greet(self) -> None:
        """Wait until the agent answers; ServerNotReady where it does not, ConfigError where it runs other code."""
        try:
            told = self._channel.request("hello", HELLO_LIMIT_S)
        except LlmDvfsError as error:
            do = advice(str(error))
            raise ServerNotReady(
                f"host {self.name}: no agent: {error}; expected that `{shlex.join(agent_command(self.spec))}` runs one "
                f"without asking for anything (serving.hosts){f': {do}' if do else ''}"
            ) from error
        if told["code"] != code_fingerprint():
            raise ConfigError(
                f"host {self.name} has other code of llm-dvfs ({told['version']}, {told['code']}) than this host "
                f"({code_fingerprint()}); expected the same checkout on all hosts"
            )
        self.hardware, self.echo_port = told["hardware"], told["echo_port"]

    def allow(self, addresses: Sequence[str]) -> None:
        """Have the agent answer these addresses and this host, and begin to watch the network to it."""
        own = own_address(self.spec.address, self.echo_port)
        self._channel.request("allow", ASK_LIMIT_S, addresses=[*addresses, own])
        self._link = LinkWatch(self.spec.address, self.echo_port)

    def watch(self, others: Sequence["RemoteHost"]) -> None:
        """Have the agent watch the network to other hosts, whose agents answer this one already."""
        links = {other.name: [other.spec.address, other.echo_port] for other in others}
        self._channel.request("watch", ASK_LIMIT_S, links=links)

    def order(self, order: StartOrder, folder: Path, results: Path) -> None:
        """Take what `begin` is to start.

        folder: takes the logs at the end. results: folder that paths of logs are recorded relative to.
        """
        self._order, self._folder, self._results = replace(order, host=self.spec), folder, results.resolve()

    def begin(self) -> Sequence[Instance]:
        """Have the agent start the instances of this host, and return them."""
        assert self._order is not None
        told = self._channel.request("begin", BEGIN_LIMIT_S, order=compact_json(self._order))
        for item in record_of(self._log, told, Started).instances:
            server = RemoteServer(item.name, self._channel, self._folder / f"{item.name}.log")
            self._instances.append(
                Instance(item.name, item.role, item.base_url, server, item.argv, item.env, item.gpu_indices, item.kv)
            )
        return self._instances

    def lost(self) -> tuple[str, str] | None:
        """Return (`host n1`, why) where the agent is lost, (`link n0 - n1`, why) where the network is, or None."""
        if (why := self._channel.lost()) is not None:
            return f"host {self.name}", why
        links = {f"link {self.name} - {other}": silent_s for other, silent_s in self._channel.state.silent_s.items()}
        links |= {f"link to {self.name}": self._link.silent_s()} if self._link else {}
        return next(
            (
                (name, f"nothing has come over it for {silent:.1f} s")
                for name, silent in links.items()
                if is_lost(silent)
            ),
            None,
        )

    def records(self, startup_s: Mapping[str, float]) -> tuple[InstanceRecord, ...]:
        """Return what run.json says of the instances; ids of their devices begin with the host's name."""
        own = {item.name: startup_s[item.name] for item in self._instances}
        told = self._channel.request("records", ASK_LIMIT_S, startup_s=own)
        return tuple(
            replace(
                record,
                device_ids=tuple(on_host(self.name, device) for device in record.device_ids),
                log=os.path.relpath(self._folder / f"{record.name}.log", self._results),
            )
            for record in record_of(self._log, told, Recorded).instances
        )

    def ready(self) -> None:
        """Have the agent give up the ports that it had reserved."""
        self._channel.request("ready", ASK_LIMIT_S)

    def stop(self) -> None:
        """End the instances, and fetch their logs where the host can still be reached."""
        try:
            for item in self._instances:
                self._fetch(f"{item.name}.log", self._folder / f"{item.name}.log")
            self._channel.request("stop", STOP_LIMIT_S)
        except LlmDvfsError as error:
            self._say(f"{error}; its agent ends its servers by itself")

    def close(self) -> None:
        """End the agent, which ends whatever still runs there."""
        if self._link is not None:
            self._link.close()
        self._channel.close()

    def begin_sampling(self, interval_s: float, counter_interval_s: float) -> None:
        """Start the host's sampler, and wait until it samples."""
        self._channel.request(
            "sample", ASK_LIMIT_S, file=SAMPLER_FILE, interval_s=interval_s, counter_interval_s=counter_interval_s
        )

    def sampler_ended(self) -> str | None:
        """Return why the host's sampler has ended though nobody told it to; None: it runs."""
        return self._channel.state.sampler

    def end_sampling(self, folder: Path, begin_ns: int) -> None:
        """End the sampler, and bring its files and the exchanges with the host's clock into a cell's raw folder.

        begin_ns: when the cell began, on this host's clock.
        """
        self._channel.request("sampled", ASK_LIMIT_S)
        self._fetch(SAMPLER_FILE, folder / telemetry_of(self.name), remove=True)
        report = SAMPLER_FILE.replace(".jsonl", "_report.json")
        self._fetch(report, folder / telemetry_report_of(self.name), remove=True)
        exchanges = self._channel.exchanges_since(begin_ns)
        write_lines(folder / clock_of(self.name), [asdict(exchange) for exchange in exchanges])

    def record(self, begin_ns: int) -> HostRecord:
        """Return what run.json says of the host, with its clock since an instant of this host's clock."""
        from llmdvfs.hosts.clock_line import (
            clock_line,
        )  # scipy, half a second, and every benchmark job imports this file

        clock = clock_line(self._channel.exchanges_since(begin_ns))
        seen = self._channel.request("wall_clock", ASK_LIMIT_S)["seen"]
        return HostRecord(self.name, self.spec.address, self.hardware, clock, seen and WallClock(**seen))

    def foreign_processes(self) -> tuple[str, ...] | None:
        """Return in words what else computes on the host's GPUs; None: nobody can look."""
        seen = self._channel.request("foreign", ASK_LIMIT_S)["seen"]
        return None if seen is None else tuple(on_host(self.name, text) for text in seen)

    def path_to(self, other: "RemoteHost") -> HostPath:
        """Measure the network from this host to another one, with one TCP stream of a second."""
        told = self._channel.request("path", ASK_LIMIT_S, address=other.spec.address, port=other.echo_port)
        return HostPath(self.name, other.name, told["round_trip_s"], told["rate_bytes_per_s"])

    def _fetch(self, file: str, to: Path, *, remove: bool = False) -> None:
        with to.open("wb") as target:
            while content := self._channel.request("fetch", ASK_LIMIT_S, file=file, offset=target.tell())["content"]:
                target.write(base64.b64decode(content))
        if remove:
            self._channel.request("remove", ASK_LIMIT_S, file=file)


def agent_command(spec: HostSpec) -> list[str]:
    """Return the command that runs a host's agent; `{address}` in `reach` stands for the host's address.

    srun and its like hand words on as they are. ssh joins them with blanks, for a shell there to take apart again.
    """
    reach = [word.replace("{address}", spec.address) for word in spec.reach]
    agent = [spec.python or sys.executable, "-m", "llmdvfs", "agent", "--address", spec.address]
    agent += ["--folder", spec.folder] if spec.folder else []
    for _ in range(sum(Path(word).name == "ssh" for word in reach)):  # a shell for each, as in `ssh login ssh node`
        agent = [_quoted(word) for word in agent]
    return [*reach, *agent]


def _quoted(word: str) -> str:
    """Return a word as a shell reads it; but a home folder's `~/` is for that shell to find."""
    home = "~/" if word.startswith("~/") else ""
    return home + shlex.quote(word.removeprefix(home))
