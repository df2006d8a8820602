"""Power, energy and clocks of a host that one may not enter, as its dcgm-exporter publishes them (Prometheus' text).

The exporter collects at an interval of its own (30 s by default) and stamps nothing: between two collections each
scrape repeats the old values. So a value is a reading only in the first scrape that has it, and is stamped from the
beginning of the scrape before, in which it was not there yet, to the end of this one. How old the values of the very
first scrape are, nobody knows: they are no readings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from llmdvfs.clock import mono_ns
from llmdvfs.errors import TelemetryError
from llmdvfs.records.telemetry import Reading, TelemetryDevice
from llmdvfs.telemetry.device import Cadence, Sample
from llmdvfs.telemetry.exporter_text import METRICS, ScrapedGpu, scraped_gpus

TIMED = ("energy_j", "power_average_w")
"""Integrated over time: told only where they are new. Others, which may well stay as they are, are told beside them."""
LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Scrape:
    """What the exporter answered once."""

    begin_mono_ns: int
    end_mono_ns: int
    gpus: dict[str, ScrapedGpu] | None
    """By device id; None: it did not answer, for the reason in `error`."""
    error: str = ""


class Exporter:
    """One dcgm-exporter, scraped once for all its GPUs."""

    def __init__(
        self,
        url: str,
        host: str | None = None,
        ask: Callable[[str], str] | None = None,
        clock: Callable[[], int] = mono_ns,
    ) -> None:
        """Take the address of its metrics, as `http://node7:9400/metrics`.

        host: what its host is called; None: as it says itself.
        ask: returns the text that lies there; OSError where there is none.
        """
        self.url, self._host = url, host
        self.num_scrapes = 0
        self.latest: Scrape | None = None
        self._clock = clock
        self._ask = ask or _asked_over(requests.Session())

    def scrape(self) -> Scrape:
        """Ask the exporter now."""
        begin_ns = self._clock()
        gpus, error = None, ""
        try:
            gpus = scraped_gpus(self._ask(self.url), urlsplit(self.url).hostname or self.url, self._host)
        except (OSError, ValueError) as failure:
            error = f"{self.url} did not answer with metrics: {failure}"
        self.num_scrapes += 1
        self.latest = Scrape(begin_ns, self._clock(), gpus, error)
        return self.latest


class ExporterProbe:
    """One GPU of an exporter's host."""

    cadence: Cadence = "exporter"

    def __init__(self, exporter: Exporter, device: TelemetryDevice) -> None:
        """Begin with what the exporter says now, whose age nobody knows."""
        self.device = device
        self._exporter = exporter
        self._before = exporter.latest or exporter.scrape()
        self._known = self._values(self._before)
        self._num_read = exporter.num_scrapes

    def read(self) -> Sample:
        """Return what is new since the last scrape that was answered."""
        if self._exporter.num_scrapes == self._num_read:
            self._exporter.scrape()
        self._num_read = self._exporter.num_scrapes
        now = self._exporter.latest
        assert now is not None
        told = self._values(now)
        if not told:
            error = now.error or f"{self._exporter.url} says nothing of {self.device.device_id} any more"
            return Sample(dict.fromkeys(TIMED), dict.fromkeys(TIMED, error))
        values = {name: value for name, value in told.items() if name not in TIMED or value != self._known.get(name)}
        reading = Reading(self.device.device_id, self._before.begin_mono_ns, now.end_mono_ns, values)
        is_new, self._before, self._known = told != self._known, now, told
        return Sample({}, stamped=(reading,) if is_new else ())

    def _values(self, scrape: Scrape) -> dict[str, float | None]:
        gpu = (scrape.gpus or {}).get(self.device.device_id)
        return dict(gpu.values) if gpu else {}


def exporter_probes(address: str) -> list[ExporterProbe]:
    """Return a probe for each GPU of an exporter; TelemetryError where it does not answer or tells of none.

    address: as `http://node7:9400/metrics`, or as `NAME=http://node7:9400/metrics`: what the host is called then.
    """
    name, named, url = address.partition("=")
    exporter = Exporter(url, name) if named and "/" not in name else Exporter(address)
    url = exporter.url
    first = exporter.scrape()
    if not first.gpus:
        raise TelemetryError(
            first.error or f"{url} tells of no GPU; expected dcgm-exporter's metrics, {', '.join(METRICS)} among them"
        )
    return [ExporterProbe(exporter, gpu.device) for gpu in first.gpus.values()]


def _asked_over(http: requests.Session) -> Callable[[str], str]:
    def ask(url: str) -> str:
        reply = http.get(url, timeout=LIMIT_S)
        reply.raise_for_status()
        return reply.text

    return ask
