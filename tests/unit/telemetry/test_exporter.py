"""GPUs of a host that one may not enter: what its dcgm-exporter says, and when that was true."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from llmdvfs.analysis.recording.summary import summarise_recording
from llmdvfs.benchmark.watching import published_by
from llmdvfs.errors import TelemetryError
from llmdvfs.records.spec import ExporterSpec
from llmdvfs.records.telemetry import Reading, SamplerReport, TelemetryHeader
from llmdvfs.telemetry.exporter import Exporter, ExporterProbe, exporter_probes
from llmdvfs.telemetry.exporter_text import scraped_gpus

URL = "http://node7:9400/metrics"
LABELS = (
    'gpu="{gpu}",UUID="GPU-{gpu}",pci_bus_id="00000000:1B:00.0",device="nvidia{gpu}",modelName="NVIDIA H100 80GB HBM3"'
)
NS = 10**9


def page(gpu: int = 0, labels: str = ',Hostname="node7"', **values: float) -> str:
    """Return what dcgm-exporter answers of one GPU: metrics without their prefix -> values."""
    lines = []
    for name, value in values.items():
        # As in dcgm-exporter's own list: energy is a counter, which the parser calls ..._total; it was not found.
        kind = "counter" if "ENERGY" in name else "gauge"
        lines += [f"# HELP DCGM_FI_DEV_{name} As DCGM says.", f"# TYPE DCGM_FI_DEV_{name} {kind}"]
        lines += [f"DCGM_FI_DEV_{name}{{{LABELS.format(gpu=gpu)}{labels}}} {value}"]
    return "\n".join(lines) + "\n"


@dataclass
class Scripted:
    """An exporter whose answers are given, and a clock that each question moves by 10 ms."""

    answers: list[str | OSError]
    now_ns: int = 0

    def ask(self, url: str) -> str:
        self.now_ns += 10_000_000
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def probe(self) -> ExporterProbe:
        exporter = Exporter(URL, None, self.ask, lambda: self.now_ns)
        gpus = exporter.scrape().gpus
        assert gpus
        return ExporterProbe(exporter, gpus["node7/gpu0"].device)


def test_units_and_names_are_those_of_all_telemetry() -> None:
    """1,234,567 mJ are 1,234.567 J, 42 % are 0.42, and 2 MiB are 2,097,152 bytes."""
    text = page(
        POWER_USAGE=287.3, TOTAL_ENERGY_CONSUMPTION=1_234_567, SM_CLOCK=1980, GPU_UTIL=42, FB_USED=2, XID_ERRORS=0
    )
    [gpu] = scraped_gpus(text, "10.0.0.7").values()
    assert gpu.values == pytest.approx(
        {
            "power_average_w": 287.3,
            "energy_j": 1234.567,
            "sm_clock_mhz": 1980,
            "gpu_utilisation_fraction": 0.42,
            "memory_used_bytes": 2_097_152,
        }
    )
    device = gpu.device
    assert (device.device_id, device.uuid, device.index) == ("node7/gpu0", "GPU-0", 0)
    assert (device.name, device.energy_source) == ("NVIDIA H100 80GB HBM3", "nvml_counter")


def test_what_is_not_said_is_absent() -> None:
    """NaN is no value, a slice of a GPU is not the board, and a host without its name has that of the address."""
    of_slice = page(gpu=1, labels=',GPU_I_ID="1",GPU_I_PROFILE="1g.10gb"', POWER_USAGE=300)
    text = page(labels="", POWER_USAGE=70, TOTAL_ENERGY_CONSUMPTION=float("nan")) + of_slice
    [gpu] = scraped_gpus(text, "10.0.0.7").values()
    assert gpu.device.device_id == "10.0.0.7/gpu0"
    assert gpu.values == {"power_average_w": 70}
    assert gpu.device.energy_source == "nvml_power"


def test_a_value_is_stamped_from_the_scrape_that_had_it_not_to_the_one_that_has() -> None:
    """Scrapes begin at 0, 1, 2 and 3 s and take 10 ms; the exporter collected between those of 1 s and 2 s."""
    old = page(POWER_USAGE=100, TOTAL_ENERGY_CONSUMPTION=5000, SM_CLOCK=1980)
    new = page(POWER_USAGE=100, TOTAL_ENERGY_CONSUMPTION=8000, SM_CLOCK=1980)
    scripted = Scripted([old, old, new, new])
    probe = scripted.probe()
    told: list[Reading] = []
    for second in (1, 2, 3):
        scripted.now_ns = second * NS
        told += probe.read().stamped
    assert told == [Reading("node7/gpu0", NS, 2 * NS + 10_000_000, {"energy_j": 8.0, "sm_clock_mhz": 1980})]


def test_an_exporter_that_does_not_answer_is_null_with_its_cause_and_lends_its_time_to_the_next_value() -> None:
    """The value of the scrape at 2 s may have been collected since 0 s, when the last answer was asked for."""
    old, new = (page(TOTAL_ENERGY_CONSUMPTION=energy_mj) for energy_mj in (5000, 8000))
    scripted = Scripted([old, ConnectionRefusedError("refused"), new, page(gpu=1, POWER_USAGE=1)])
    probe = scripted.probe()
    scripted.now_ns = NS
    lost = probe.read()
    assert lost.values == {"energy_j": None, "power_average_w": None}
    assert lost.errors["energy_j"] == f"{URL} did not answer with metrics: refused"
    scripted.now_ns = 2 * NS
    [reading] = probe.read().stamped
    assert (reading.begin_mono_ns, reading.end_mono_ns) == (0, 2 * NS + 10_000_000)
    assert "says nothing of node7/gpu0 any more" in probe.read().errors["energy_j"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [(ConnectionRefusedError("refused"), "did not answer"), ("vllm:x 1\n", "tells of no GPU"), ("{", "did not answer")],
)
def test_an_address_that_is_no_exporters_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, answer: str | OSError, words: str
) -> None:
    def ask_of(_: object) -> Callable[[str], str]:
        return Scripted([answer]).ask

    monkeypatch.setattr("llmdvfs.telemetry.exporter._asked_over", ask_of)
    with pytest.raises(TelemetryError, match=words):
        exporter_probes(URL)


def test_energy_from_an_exporter_that_collects_every_thirty_seconds() -> None:
    """300 W for ten minutes, a scrape a second: each refresh is known to a second, so the power to 2 in 540."""
    pages = [
        page(TOTAL_ENERGY_CONSUMPTION=300_000 * (second // 30) * 30, POWER_USAGE=300 + second // 30 % 2)
        for second in range(601)
    ]
    scripted = Scripted([*pages])
    probe = scripted.probe()
    readings: list[Reading] = []
    for second in range(1, 601):
        scripted.now_ns = second * NS
        readings += probe.read().stamped
    assert len(readings) == 20
    header = TelemetryHeader((probe.device,), 1.0, None, 0, 0.0, "nvml_counter")
    record = summarise_recording(header, readings, SamplerReport(20, 0, 600, 0.0, 0.0, 600 * NS, None))
    [device] = record.devices
    assert device.missing == ()
    assert device.mean_power_w == pytest.approx(300, rel=2 / 540)


def test_a_host_is_called_as_the_study_calls_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study's `serving.exporters` names `a`, whatever the exporter says; a GPU of it that is not there is refused."""

    def ask_of(_: object) -> Callable[[str], str]:
        return Scripted([page(POWER_USAGE=100) + page(gpu=1, POWER_USAGE=100)] * 2).ask

    monkeypatch.setattr("llmdvfs.telemetry.exporter._asked_over", ask_of)
    assert published_by([ExporterSpec("a", URL, (1,))]) == [f"a={URL}"]
    assert published_by([]) == []
    with pytest.raises(TelemetryError, match="nothing is published of a/gpu2; expected GPUs among a/gpu0, a/gpu1"):
        published_by([ExporterSpec("a", URL, (1, 2))])
