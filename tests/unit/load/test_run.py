"""Load shapes, run for real against the mock server: what was scheduled is what the server saw."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakes.scripted_server import DONE, END, SSE_HEAD, chunk, scripted_server, token
from fakes.workloads import fixed, workload

from llmdvfs.errors import ConfigError, ServerNotReady
from llmdvfs.load.own_error.mock_server import MockServer
from llmdvfs.load.run import read_requests, run_load
from llmdvfs.load.sending.client import REST_S, Client
from llmdvfs.records.load import LoadReport, LoadSpec
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.spec import ArrivalSpec, LengthSpec, PromptSpec, WorkloadSpec
from llmdvfs.records.store import read_lines, read_record

SHARED = Path(__file__).parents[4] / "shared" / "data"
Mock = Callable[..., MockServer]


@dataclass
class Ran:
    report: LoadReport
    requests: list[RequestRecord]
    folder: Path


@pytest.fixture
def run(tmp_path: Path) -> Callable[[WorkloadSpec, str], Ran]:
    def run_one(load: WorkloadSpec, base_url: str) -> Ran:
        spec = LoadSpec(load, base_url, "mock", None, seed_prompts=1, seed_arrivals=1, folder=str(tmp_path))
        report = run_load(spec)
        return Ran(report, list(read_lines(tmp_path / "requests.jsonl", RequestRecord)), tmp_path)

    return run_one


Run = Callable[[WorkloadSpec, str], Ran]


def url(server: MockServer) -> str:
    return f"http://127.0.0.1:{server.port}"


def in_flight_before(requests: list[RequestRecord], request: RequestRecord) -> int:
    """Return how many others were sent before this one and had not ended when it was sent."""
    sent = request.sent_mono_ns or 0
    others = [(other.sent_mono_ns or 0, other.end_mono_ns or 0) for other in requests if other is not request]
    return sum(begin <= sent < end for begin, end in others)


def test_closed_loop_keeps_its_concurrency(run: Run, mock: Mock) -> None:
    ran = run(workload(ArrivalSpec("closed", concurrency=4), num_requests=40), url(mock()))
    assert [request.index for request in ran.requests] == list(range(40))
    assert ran.report.outcomes == {"ok": 40}
    assert ran.report.peak_in_flight == 4
    assert max(in_flight_before(ran.requests, request) for request in ran.requests) == 3
    assert ran.report.num_connections == 4


def test_closed_loop_schedules_each_request_at_the_end_of_another(run: Run, mock: Mock) -> None:
    ran = run(workload(ArrivalSpec("closed", concurrency=2), num_requests=10), url(mock()))
    ends = {request.end_mono_ns for request in ran.requests}
    assert ran.requests[0].scheduled_mono_ns == ran.requests[1].scheduled_mono_ns == ran.report.load_begin_mono_ns
    assert all(request.scheduled_mono_ns in ends for request in ran.requests[2:])


def test_closed_loop_by_duration_stops_sending(run: Run, mock: Mock) -> None:
    ran = run(workload(ArrivalSpec("closed", concurrency=2), num_requests=None, duration_s=0.3), url(mock()))
    last_s = (max(request.scheduled_mono_ns for request in ran.requests) - ran.report.load_begin_mono_ns) / 1e9
    assert 0.2 < last_s < 0.3
    assert ran.report.outcomes == {"ok": len(ran.requests)}


@pytest.mark.parametrize(
    ("min_requests", "max_duration_s", "ends_s"),
    [(6, None, (0.5, 2.0)), (1, None, (0.0, 0.3)), (1000, 0.6, (0.3, 0.6))],
    ids=["goes on until enough", "enough in time", "never longer than"],
)
def test_a_closed_loop_ends_by_count_and_by_time(
    run: Run, mock: Mock, min_requests: int, max_duration_s: float | None, ends_s: tuple[float, float]
) -> None:
    """One at a time, about 0.15 s each (15 gaps of 10 ms): 0.3 s are two or three requests, six take 0.75 s.

    By time alone, a machine eight times slower than thought had too few requests for a steady window in half its cells.
    """
    load = workload(
        ArrivalSpec("closed", concurrency=1),
        num_requests=None,
        num_output=16,
        duration_s=0.3,
        min_requests=min_requests,
        max_duration_s=max_duration_s,
    )
    ran = run(load, url(mock(gap_s=0.01)))
    last_s = (max(request.scheduled_mono_ns for request in ran.requests) - ran.report.load_begin_mono_ns) / 1e9
    assert ends_s[0] <= last_s < ends_s[1]
    if min_requests == 6:
        assert len(ran.requests) == 6


def test_waves_wait_for_their_last_request(run: Run, mock: Mock) -> None:
    ran = run(workload(ArrivalSpec("waves", wave_sizes=(1, 8, 3)), num_requests=None), url(mock()))
    assert Counter(request.wave for request in ran.requests) == {0: 1, 1: 8, 2: 3}
    for wave in (1, 2):
        before = [request.end_mono_ns or 0 for request in ran.requests if request.wave == wave - 1]
        mine = [request for request in ran.requests if request.wave == wave]
        assert len({request.scheduled_mono_ns for request in mine}) == 1
        assert mine[0].scheduled_mono_ns >= max(before)
    assert ran.report.num_connections == 8


def test_open_loop_keeps_its_schedule_whatever_the_server_does(run: Run, mock: Mock) -> None:
    """20 requests 10 ms apart to a server that needs 100 ms for each: they do not wait for one another."""
    server = mock(ttft_s=0.1)
    ran = run(workload(ArrivalSpec("constant", rate_rps=100.0), num_requests=20), url(server))
    begin = ran.report.load_begin_mono_ns
    assert [request.scheduled_mono_ns - begin for request in ran.requests] == [i * 10_000_000 for i in range(20)]
    assert ran.report.peak_in_flight >= 10
    assert all((request.sent_mono_ns or 0) >= request.scheduled_mono_ns for request in ran.requests)
    assert (ran.report.lateness_max_s or 1.0) < 0.1
    received = {record.request_id: record.received_mono_ns for record in server.log}
    for request in ran.requests:
        assert abs(received[request.request_id] - (request.sent_mono_ns or 0)) < 50_000_000


def test_warmup_is_not_recorded(run: Run, mock: Mock) -> None:
    server = mock()
    ran = run(workload(ArrivalSpec("closed", concurrency=2), num_requests=4, num_warmup_requests=6), url(server))
    assert len(ran.requests) == 4
    assert len(server.log) == 10
    assert ran.report.num_warmup_requests == 6
    measured = {request.request_id for request in ran.requests}
    ends = [record.token_mono_ns[-1] for record in server.log if record.request_id not in measured]
    assert max(ends) < ran.report.load_begin_mono_ns


def test_the_report_says_when_the_warmups_first_tokens_came(run: Run, mock: Mock) -> None:
    """The engine's histograms have the warm-up's requests too."""
    server = mock(ttft_s=0.05)
    ran = run(workload(ArrivalSpec("closed", concurrency=2), num_requests=2, num_warmup_requests=3), url(server))
    waited_s = ran.report.warmup_first_token_s
    assert waited_s is not None and len(waited_s) == 3  # noqa: PT018
    measured = {request.request_id for request in ran.requests}
    truth_s = sorted(
        (record.token_mono_ns[0] - record.received_mono_ns) / 1e9
        for record in server.log
        if record.request_id not in measured
    )
    assert all(0 <= ours - true < 0.05 for ours, true in zip(sorted(waited_s), truth_s, strict=True))


def test_records_can_be_built_again_from_the_journal(run: Run, mock: Mock) -> None:
    ran = run(workload(ArrivalSpec("closed", concurrency=2), num_requests=6), url(mock()))
    assert read_requests(ran.folder / "journal.bin") == ran.requests
    assert read_record(ran.folder / "load_report.json", LoadReport) == ran.report


def test_stamps_agree_with_the_servers_send_log(run: Run, mock: Mock) -> None:
    """Nothing arrives before it was sent, on one clock; and the journal keeps every byte that came."""
    server = mock()
    ran = run(workload(ArrivalSpec("closed", concurrency=8), num_requests=32, num_output=20), url(server))
    truth = {record.request_id: record for record in server.log}
    for request in ran.requests:
        true = truth[request.request_id]
        assert request.chunk_num_tokens == (1,) * 20
        assert (request.sent_mono_ns or 0) <= true.received_mono_ns + 100_000  # the kernel's stamp is wall time
        assert all(seen >= sent for seen, sent in zip(request.chunk_mono_ns, true.token_mono_ns, strict=True))


def test_long_run_spools_to_the_journal(run: Run, mock: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit into memory is written while the load runs, and nothing is lost or doubled."""
    monkeypatch.setattr("llmdvfs.load.sending.spool.MAX_HELD_READS", 50)
    ran = run(workload(ArrivalSpec("closed", concurrency=8), num_requests=200, num_output=10), url(mock()))
    assert [request.index for request in ran.requests] == list(range(200))
    assert ran.report.outcomes == {"ok": 200}


def test_pool_that_runs_dry_opens_more(run: Run, mock: Mock) -> None:
    """An open loop begins with 64 connections; 100 requests at once need 100."""
    load = workload(ArrivalSpec("constant", rate_rps=1e5), num_requests=100)
    ran = run(load, url(mock(ttft_s=0.2)))
    assert ran.report.outcomes == {"ok": 100}
    assert ran.report.peak_in_flight == 100
    assert ran.report.num_connections >= 100


def test_idle_connections_are_replaced_before_the_server_closes_them(
    run: Run, mock: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers close what was idle for 5 s: a wave that begins then would lose its requests."""
    monkeypatch.setattr("llmdvfs.load.wire.pool.MAX_IDLE_NS", 50_000_000)
    load = workload(ArrivalSpec("constant", rate_rps=2.0), num_requests=2)
    ran = run(load, url(mock()))
    assert ran.report.outcomes == {"ok": 2}
    assert ran.report.num_connections > 64


def test_a_client_with_nothing_to_prepare_sleeps_between_tokens(
    run: Run, mock: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waking up for nothing cost a fifth of the CPU of 32 paced streams."""
    ticks = []
    tick = Client._tick

    def count(client: Client) -> None:
        ticks.append(client)
        tick(client)

    monkeypatch.setattr(Client, "_tick", count)
    load = workload(ArrivalSpec("closed", concurrency=2), num_requests=2, num_output=80)
    ran = run(load, url(mock(gap_s=0.01)))
    seconds = (ran.report.load_end_mono_ns - ran.report.load_begin_mono_ns) / 1e9
    assert seconds > 0.7
    assert len(ticks) <= 2 + seconds / REST_S


def test_a_plan_that_breaks_in_the_middle_ends_the_load(run: Run, mock: Mock, tmp_path: Path) -> None:
    """A prompt that cannot be made was once logged by the event loop, and the load waited for ever."""
    path = tmp_path / "trace.jsonl"
    lengths = [30] * 700 + [3]
    path.write_text(
        "".join(
            f'{{"timestamp": {number}, "input_length": {length}, "output_length": 1, "hash_ids": []}}\n'
            for number, length in enumerate(lengths)
        )
    )
    spec = ArrivalSpec("trace", trace_path=str(path), trace_format="mooncake")
    prompts = PromptSpec("random", LengthSpec("trace"), LengthSpec("trace"))
    load = workload(spec, prompts=prompts, num_requests=None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llmdvfs.load.sending.shape.OPEN_LOOP_AHEAD_S", 0.0)
        patch.setattr("llmdvfs.load.sending.feed.LOW_WATER", 0)
        patch.setattr("llmdvfs.load.schedule.prompts.draw_length", _draw_length_but_refuse_3)
        with pytest.raises(ConfigError, match="three"):
            run(load, url(mock()))


def _draw_length_but_refuse_3(spec: LengthSpec, rng: object, data_length: int | None = None) -> int:
    if data_length == 3:
        raise ConfigError("three is refused")
    return data_length or 1


def test_nobody_listens(run: Run) -> None:
    with pytest.raises(ServerNotReady, match="takes no connection"):
        run(workload(), "http://127.0.0.1:9")


def test_closed_loop_needs_a_concurrency(run: Run, mock: Mock) -> None:
    with pytest.raises(ConfigError, match="concurrency >= 1"):
        run(workload(ArrivalSpec("closed")), url(mock()))


def test_a_prompt_larger_than_the_sockets_buffers_goes_out_whole(run: Run) -> None:
    """3 MB of token ids: the kernel takes them in parts."""
    lengths: list[int] = []

    def script(asked: Any) -> list[bytes]:
        lengths.append(len(asked.body["prompt"]))
        return [SSE_HEAD, chunk(token(ids=[1], finish="length")), chunk(DONE) + END]

    prompts = PromptSpec("random", prompt_tokens=fixed(800_000), output_tokens=fixed(1))
    with scripted_server(script) as base_url:
        ran = run(workload(prompts=prompts, num_requests=1), base_url)
    assert ran.report.outcomes == {"ok": 1}
    assert lengths == [800_000]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared traces are not here")
@pytest.mark.parametrize(
    ("name", "trace_format"),
    [("azure_llm_2023_conv.csv.gz", "azure"), ("mooncake_conversation_head2000.jsonl.gz", "mooncake")],
)
def test_shared_traces_replay(run: Run, mock: Mock, name: str, trace_format: Any) -> None:
    """30 s of each trace, 20 times as fast; outputs cut to 8 tokens."""
    spec = ArrivalSpec(
        "trace",
        trace_path=str(SHARED / name),
        trace_format=trace_format,
        speedup=20.0,
        window_start_s=10.0,
        window_s=30.0,
    )
    prompts = PromptSpec("random", LengthSpec("trace", high=600), LengthSpec("trace", high=8))
    ran = run(workload(spec, prompts=prompts, num_requests=None), url(mock()))
    assert set(ran.report.outcomes) == {"ok"}
    assert len(ran.requests) > 20
    assert (ran.requests[-1].scheduled_mono_ns - ran.report.load_begin_mono_ns) / 1e9 <= 1.5
