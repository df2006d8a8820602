"""Writes how far a load is while it runs, for the process that started it."""

import os
import resource
from pathlib import Path
from time import monotonic_ns, process_time

import orjson

from llmdvfs.load.sending.client import Client
from llmdvfs.load.sending.spool import Spool
from llmdvfs.records.load import LoadProgress, Priority

MIN_INTERVAL_NS = 100_000_000  # a line takes 0.03 ms or so of a core


class ProgressWriter:
    """Appends lines to `progress.jsonl`, which survive the client."""

    def __init__(self, path: Path, spool: Spool) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        self._spool = spool
        self._priority: Priority | None = None
        self._last_mono_ns = 0
        self._num_standstills = 0

    def begin(self, priority: Priority) -> None:
        """Note that the load itself begins; what was watched before, the warm-up, is not reported."""
        self._priority, self._begin_cpu_s = priority, process_time()

    def watch(self, client: Client) -> None:
        """Write a line, unless the last one is recent."""
        if self._priority is not None and monotonic_ns() - self._last_mono_ns >= MIN_INTERVAL_NS:
            self._write(client, self._priority)

    def end(self, client: Client) -> None:
        """Write the last line, when all that has ended is in the journal."""
        if self._priority is not None:
            self._write(client, self._priority)
        os.close(self._file)

    def _write(self, client: Client, priority: Priority) -> None:
        self._last_mono_ns = monotonic_ns()
        standstills = client.heartbeat.standstills
        line = LoadProgress(
            at_mono_ns=self._last_mono_ns,
            num_sent=client.num_sent,
            num_ended=client.num_ended,
            num_ok=client.num_ok,
            num_written=self._spool.num_written,
            num_reads=client.num_reads,
            oldest_mono_ns=client.oldest_mono_ns,
            peak_in_flight=client.peak_in_flight,
            num_connections=client.route.num_opened,
            cpu_s=process_time() - self._begin_cpu_s,
            max_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            priority=priority,
            standstill_mono_ns=tuple(standstills[self._num_standstills :]),
            suspended_s=client.heartbeat.suspended_s(),
            stopped_early=client.stopped_early,
        )
        self._num_standstills = len(standstills)
        os.write(self._file, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
