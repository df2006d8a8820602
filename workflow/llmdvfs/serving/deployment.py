"""A deployment while it runs: its address, its processes and their metrics."""

import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from llmdvfs.errors import ServerNotReady
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.route import RoutePlan
from llmdvfs.records.run import ServerStart
from llmdvfs.records.spec import ExporterSpec
from llmdvfs.serving.instance.http import post
from llmdvfs.serving.instance.process import ServerProcess
from llmdvfs.serving.instance.scrape import scrape
from llmdvfs.serving.part import Instance, Part, Server
from llmdvfs.serving.proxy.journal import proxy_records

RESET_LIMIT_S = 30.0
STAMPS_LIMIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """The servers of a deployment, which are ready, and the address that clients use."""

    base_url: str
    """Where `route` is set, that of the first instance."""
    server_start: ServerStart
    gpu_indices: tuple[int, ...]
    """NVML indices of the GPUs of all instances on this host; empty on a CPU, and where they are on several hosts."""
    proxy_log: Path | None
    """File of the proxy's stamps, a line a request; None where no proxy stands before the servers."""
    metrics_urls: dict[str, str]
    """Name of each instance -> its base URL."""
    instances: tuple[Instance, ...] = ()
    """The instances that were started; empty where they are somebody else's."""
    proxy: ServerProcess | None = None
    storage: Path | None = None
    """Folder through which a connector passes KV cache as files; None: the connector needs none."""
    parts: tuple[Part, ...] = ()
    """The instances by host."""
    exporters: tuple[ExporterSpec, ...] = ()
    """What publishes the GPUs of somebody else's endpoint, on hosts that one may not enter."""
    route: RoutePlan | None = None
    """The instances that clients themselves choose from and ask; None: they ask base_url."""

    def processes(self) -> list[Server]:
        """Return all processes that were started for this deployment, the proxy first."""
        return [*([self.proxy] if self.proxy else []), *(instance.process for instance in self.instances)]

    def first_dead(self) -> tuple[str, str] | None:
        """Return (name, cause) of a server or its engine that has ended, or of a host or link lost; None: all run."""
        for part in self.parts:
            if (lost := part.lost()) is not None:
                return lost
        for process in self.processes():
            if process.is_dead():
                return process.name, process.cause_of_death()
        return None

    def scrape_metrics(self) -> MetricsRecord:
        """Return the metrics of all instances as they are now."""
        return scrape(self.metrics_urls)

    def proxy_records(self, request_ids: Collection[str]) -> list[ProxyRecord]:
        """Return the proxy's stamps of those requests, which have ended for their clients; empty without a proxy."""
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
        """Bring the servers into the state after their start: no cached prefixes, no transferred files."""
        if self.storage is not None:
            for entry in self.storage.iterdir():
                shutil.rmtree(entry, ignore_errors=True)
        for instance in self.instances:
            if "--enable-prefix-caching" in instance.argv:
                reply = post(f"{instance.base_url}/reset_prefix_cache", {}, RESET_LIMIT_S)
                if not reply.ok:
                    seen = reply.failure or f"status {reply.status}"
                    raise ServerNotReady(
                        f"{instance.name}: its prefix cache could not be emptied ({seen}), so "
                        "cells would depend on their order: set engine.enable_prefix_caching to false"
                    )
