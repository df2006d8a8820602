"""The samplers of a cell, one on each of its hosts, as one."""

from pathlib import Path
from types import TracebackType

from llmdvfs.clock import mono_ns
from llmdvfs.errors import LlmDvfsError, TelemetryError
from llmdvfs.hosts.remote_host import RemoteHost
from llmdvfs.records.host_files import report_of_all
from llmdvfs.records.job import MeasureSettings
from llmdvfs.records.telemetry import SamplerReport
from llmdvfs.telemetry.sampler import SamplerHandle


class Samplers:
    """Running samplers: this host's, and those of the deployment's other hosts; stopped at the block's end."""

    def __init__(self, own: SamplerHandle, hosts: tuple[RemoteHost, ...], settings: MeasureSettings) -> None:
        self._own, self._hosts, self._settings = own, hosts, settings
        self._begin_ns = mono_ns()
        self._report: SamplerReport | None = None

    def wait_ready(self) -> None:
        """Return once all of them sample; TelemetryError with the cause where one does not."""
        self._own.wait_ready()
        for host in self._hosts:
            host.begin_sampling(self._settings.interval_s, self._settings.counter_interval_s)

    def poll(self) -> str | None:
        """Return why one of them has ended; None while all run."""
        theirs = ((host.name, host.sampler_ended()) for host in self._hosts)
        return self._own.poll() or next((f"host {name}: {why}" for name, why in theirs if why is not None), None)

    def stop(self) -> SamplerReport:
        """End all of them, bring their files into the folder of this host's, and return what they report together.

        It may be called twice. TelemetryError where one left no report.
        """
        if self._report is None:
            folder: Path = self._own.path.parent
            own = self._own.stop()
            for host in self._hosts:
                host.end_sampling(folder, self._begin_ns)
            self._report = report_of_all(folder, own, [host.name for host in self._hosts])
        return self._report

    def __enter__(self) -> "Samplers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except LlmDvfsError as failed:
            self._own.__exit__(kind, error, traceback)
            if error is None:  # an error of the block itself goes before one of stopping
                raise failed if isinstance(failed, TelemetryError) else TelemetryError(str(failed)) from failed
