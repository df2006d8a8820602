"""Slices of a sweep's recording: each has what its window needs, and stands for itself."""

from pathlib import Path

import orjson
import pytest

from llmdvfs.benchmark.sweep.cut import Slice, cut
from llmdvfs.clock import NS_PER_S
from llmdvfs.load.sending.journal import JournalWriter, read_journal
from llmdvfs.load.wire.exchange import Exchange, Hops
from llmdvfs.records import raw
from llmdvfs.records.load import LoadProgress, LoadReport
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.store import read_lines, read_record, write_record
from llmdvfs.records.telemetry import Reading, SamplerReport, TelemetryDevice, TelemetryHeader
from llmdvfs.records.telemetry_file import read_telemetry
from llmdvfs.records.telemetry_line import header_line, reading_line

TOKEN = b'data: {"choices": [{"text": "x", "token_ids": [1], "finish_reason": "length"}]}\n\ndata: [DONE]\n\n'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + TOKEN
LIVES_S = [(0.5, 2.9), (2.8, 3.5), (3.5, 6.5), (6.5, 8.5), (8.5, 12.5), (12.5, 14.0)]
"""Scheduled and ended, in the order of the plan."""
SPANS_S = [((1.0, 9.0), (4.0, 7.0)), ((9.0, 15.0), (13.0, 13.8))]
"""Point held, and window of it, of each step."""
IDLE_S = [(-3.0, -1.0), (20.0, 22.0)]


def ns(t_s: float) -> int:
    return round((100 + t_s) * NS_PER_S)


def span(of_s: tuple[float, float]) -> tuple[int, int]:
    return ns(of_s[0]), ns(of_s[1])


@pytest.fixture
def slices(tmp_path: Path) -> list[Slice]:
    """Two steps of a sweep whose client was killed while it wrote, cut."""
    (tmp_path / "load_spec.json").write_text('{"tokenizer_folder": null}')
    with JournalWriter(tmp_path / "journal.bin") as writer:
        for index, (begin_s, end_s) in enumerate(LIVES_S):
            reads = [(ns(end_s), ANSWER)]
            asked = Exchange(index, f"id{index}", None, 8, 1, ns(begin_s), ns(begin_s), reads, ns(end_s))
            asked.hops = Hops(decode_instance="single-1", decode_sent_mono_ns=ns(begin_s), is_streamed=True)
            writer.write(asked)
    with (tmp_path / "journal.bin").open("ab") as file:
        file.write(b"\x10\x00\x00\x00half")
    header = TelemetryHeader((TelemetryDevice("gpu0", "gpu", "a GPU"),), 1.0, None, 0, 0.0, "nvml_power")
    readings = [Reading("gpu0", ns(t_s), ns(t_s), {"power_instant_w": 100.0 + t_s}) for t_s in range(-3, 23)]
    (tmp_path / raw.TELEMETRY).write_bytes(header_line(header) + b"".join(map(reading_line, readings)))
    report = SamplerReport(26, 1, 26, 0.001, 0.5, ns(14.9), error="the process that had started the sampler is gone")
    write_record(tmp_path / raw.TELEMETRY_REPORT, report)
    told = [
        LoadProgress(ns(t_s), 10, 7, 7, 7, 70, None, 4, 6, 0.25 * t_s, 1000, "normal", ((ns(t_s), ns(t_s)),), 0, None)
        for t_s in range(16)
    ]
    (tmp_path / "progress.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in told))
    made = [Slice(tmp_path / str(number), span(held), span(window)) for number, (held, window) in enumerate(SPANS_S)]
    for one in made:
        one.folder.mkdir()
    cut(tmp_path, made, [span(window) for window in IDLE_S], num_warmup_requests=3)
    return made


def test_a_step_has_the_requests_that_were_in_flight_in_its_window_or_just_beside_it(slices: list[Slice]) -> None:
    """Window 4 to 7 s: request 1 ended half a second before it, and power readings may still tell of it."""
    indices = [[r.index for r in read_lines(one.folder / raw.REQUESTS, RequestRecord)] for one in slices]
    assert indices == [[1, 2, 3], [4, 5]]
    assert [[e.index for e in read_journal(one.folder / "journal.bin")] for one in slices] == indices


def test_a_step_has_the_ways_of_its_requests_where_the_client_was_their_router(slices: list[Slice]) -> None:
    ways = [list(read_lines(one.folder / raw.PROXY, ProxyRecord)) for one in slices]
    assert [[way.request_id for way in own] for own in ways] == [["id1", "id2", "id3"], ["id4", "id5"]]
    first = ways[0][0]
    assert (first.decode_instance, first.received_mono_ns, first.first_byte_mono_ns) == ("single-1", ns(2.8), ns(3.5))


def test_a_step_has_the_readings_of_its_point_and_the_idle_ones_apart(slices: list[Slice]) -> None:
    first, second = (read_telemetry(one.folder / raw.TELEMETRY) for one in slices)
    assert [reading.begin_mono_ns for reading in first[1]] == [ns(t_s) for t_s in range(1, 10)]
    assert [reading.begin_mono_ns for reading in second[1]] == [ns(t_s) for t_s in range(9, 16)]
    assert first[0] == second[0]
    _, idle = read_telemetry(slices[0].folder / raw.IDLE_TELEMETRY)
    assert [reading.begin_mono_ns for reading in idle] == [ns(t_s) for t_s in (-3, -2, -1, 20, 21, 22)]


def test_a_sampler_that_ended_early_is_a_fault_of_the_steps_after_that(slices: list[Slice]) -> None:
    """It ended at 14.9 s: the first step had been left at 9 s, the second was to be held until 15 s."""
    first, second = (read_record(one.folder / raw.TELEMETRY_REPORT, SamplerReport) for one in slices)
    assert (first.error, first.num_readings) == (None, 9)
    assert second.error is not None


def test_the_client_tells_of_the_window_alone(slices: list[Slice]) -> None:
    report = read_record(slices[0].folder / raw.LOAD_REPORT, LoadReport)
    assert (report.load_begin_mono_ns, report.load_end_mono_ns) == (ns(4.0), ns(8.5))
    assert (report.num_requests, report.outcomes, report.num_warmup_requests) == (3, {"ok": 3}, 3)
    assert (report.num_reads, report.num_bytes) == (3, 3 * len(ANSWER))
    assert report.cpu_s == pytest.approx(0.75)  # from 4 to 7 s, a quarter of a core
    assert report.standstill_mono_ns is not None
    assert (ns(5.0), ns(5.0)) in report.standstill_mono_ns
    assert (report.peak_in_flight, report.lateness_max_s, report.stopped_early) == (3, 0.0, None)
