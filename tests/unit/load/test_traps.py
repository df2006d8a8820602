"""What servers do to clients: each trap has a right answer, and several known clients give a wrong one."""

import shutil
import ssl
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fakes.scripted_server import (
    CLOSE,
    DONE,
    END,
    HANG,
    RESET,
    SSE_HEAD,
    Script,
    chunk,
    delta,
    scripted_server,
    token,
    usage,
)
from fakes.workloads import workload

from llmdvfs.load.run import run_load
from llmdvfs.records.load import LoadReport, LoadSpec
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.spec import ArrivalSpec
from llmdvfs.records.store import read_lines, read_record

Run = Callable[..., list[RequestRecord]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a closed loop of one stream against a script and return the records."""

    def run_script(
        script: Script,
        num_output: int = 4,
        tokenizer_folder: Path | None = None,
        tls: ssl.SSLContext | None = None,
        **more: Any,
    ) -> list[RequestRecord]:
        with scripted_server(script, tls) as base_url:
            tokenizer = str(tokenizer_folder) if tokenizer_folder else None
            asked = workload(num_output=num_output, **more)
            run_load(LoadSpec(asked, base_url, "m", tokenizer, seed_prompts=1, seed_arrivals=1, folder=str(tmp_path)))
        return list(read_lines(tmp_path / "requests.jsonl", RequestRecord))

    return run_script


DONE_END = chunk(DONE) + END


def tokens(num: int, **last: Any) -> list[bytes]:
    """Return `num` chunks of one token each, the last one with a finish reason."""
    return [*(chunk(token(ids=[i])) for i in range(num - 1)), chunk(token(ids=[num - 1], finish="length", **last))]


def ttft_ms(record: RequestRecord) -> float:
    assert record.sent_mono_ns is not None
    return (record.chunk_mono_ns[0] - record.sent_mono_ns) / 1e6


def gaps_ms(record: RequestRecord) -> list[float]:
    instants = record.chunk_mono_ns
    return [(after - before) / 1e6 for before, after in pairwise(instants)]


def test_plain_stream_is_ok(run: Run) -> None:
    [record] = run(lambda asked: [SSE_HEAD, *tokens(4), chunk(usage(4)), chunk(DONE) + END])
    assert (record.outcome, record.error, record.http_status, record.finish_reason) == ("ok", None, 200, "length")
    assert (record.num_prompt_tokens_requested, record.num_prompt_tokens, record.num_output_tokens) == (8, 8, 4)
    assert record.chunk_num_tokens == (1, 1, 1, 1)
    assert record.token_count_source == "token_ids"


def test_request_asks_for_a_fixed_length_and_carries_its_id(run: Run) -> None:
    asked = []

    def script(request: Any) -> list[bytes]:
        asked.append(request)
        return [SSE_HEAD, *tokens(4), chunk(DONE) + END]

    [record] = run(script)
    body = asked[0].body
    assert asked[0].path == "/v1/completions"
    assert asked[0].headers["x-request-id"] == record.request_id
    assert len(body["prompt"]) == 8
    assert (body["max_tokens"], body["min_tokens"], body["ignore_eos"], body["temperature"]) == (4, 4, True, 0.0)
    assert (body["stream"], body["stream_options"], body["return_token_ids"]) == (True, {"include_usage": True}, True)


def test_event_split_over_two_reads_counts_when_it_is_whole(run: Run) -> None:
    """Half of the second token's event comes 20 ms before the rest: nobody can show that token earlier."""
    first, second = chunk(token(ids=[1])), chunk(token(ids=[2], finish="length"))
    script = [SSE_HEAD, first, second[:40], 0.02, second[40:], chunk(DONE) + END]
    [record] = run(lambda asked: script, num_output=2)
    assert record.outcome == "ok"
    assert gaps_ms(record)[0] > 10  # the first read may have been late, too


def test_chunk_header_split_from_its_data(run: Run) -> None:
    stream = SSE_HEAD + b"".join(tokens(3)) + chunk(DONE) + END
    pieces: list[bytes | float] = []
    for begin in range(0, len(stream), 7):
        pieces += [stream[begin : begin + 7], 0.0002]
    [record] = run(lambda asked: pieces, num_output=3)
    assert (record.outcome, record.num_output_tokens) == ("ok", 3)


def test_many_events_in_one_read_are_all_counted(run: Run) -> None:
    [record] = run(
        lambda asked: [SSE_HEAD + b"".join(tokens(64)) + chunk(usage(64)) + chunk(DONE) + END], num_output=64
    )
    assert record.outcome == "ok"
    assert len(record.chunk_mono_ns) == 64
    assert len(set(record.chunk_mono_ns)) == 1


def test_crlf_line_ends(run: Run) -> None:
    stream = [chunk(token(ids=[i], finish="length" if i else None).replace(b"\n", b"\r\n")) for i in range(2)]
    [record] = run(lambda asked: [SSE_HEAD, *stream, chunk(b"data: [DONE]\r\n\r\n") + END], num_output=2)
    assert (record.outcome, record.num_output_tokens) == ("ok", 2)


def test_comment_pings_are_no_tokens(run: Run) -> None:
    ping = chunk(b": ping\n\n")
    [record] = run(lambda asked: [SSE_HEAD, ping, 0.02, *tokens(2), ping, chunk(DONE) + END], num_output=2)
    assert (record.outcome, record.num_output_tokens) == ("ok", 2)
    assert ttft_ms(record) > 19


def test_role_chunk_is_not_the_first_token(run: Run, tiny_tokenizer: Path) -> None:
    """The role comes at once, the first token after 50 ms; a client that stops its clock at the role says 0."""
    asked_paths = []

    def script(asked: Any) -> list[bytes | float]:
        asked_paths.append(asked.path)
        role = chunk(delta(role="assistant", content=""))
        answer = [chunk(delta(content="a")), chunk(delta("length", content="b")), chunk(usage(2)), chunk(DONE) + END]
        return [SSE_HEAD, role, 0.05, *answer]

    [record] = run(script, num_output=2, endpoint="chat", tokenizer_folder=tiny_tokenizer)
    assert asked_paths == ["/v1/chat/completions"]
    assert (record.outcome, record.num_output_tokens) == ("ok", 2)
    assert ttft_ms(record) >= 50


def test_all_text_in_reasoning_content(run: Run) -> None:
    events = [delta(reasoning_content="a"), delta(reasoning_content="b", reasoning="b"), delta("length", reasoning="c")]
    [record] = run(lambda asked: [SSE_HEAD, *map(chunk, events), chunk(usage(3)), chunk(DONE) + END], num_output=3)
    assert (record.outcome, record.chunk_num_tokens) == ("ok", (1, 1, 1))


def test_error_event_inside_a_200_is_a_failure(run: Run) -> None:
    """4 of 32 streams break in the middle; vllm bench and aiperf count 32 successes."""
    error = b'data: {"error": {"message": "engine died", "code": 500}}\n\n'

    def script(asked: Any) -> list[bytes]:
        if asked.number % 8 == 3:
            return [SSE_HEAD, *tokens(4)[:2], chunk(error), chunk(DONE) + END]
        return [SSE_HEAD, *tokens(4), chunk(DONE) + END]

    records = run(script, num_requests=32)
    failed = [record for record in records if not record.ok]
    assert [record.outcome for record in failed] == ["stream_error"] * 4
    assert all("engine died" in (record.error or "") for record in failed)


def test_event_that_is_not_json_is_a_failure(run: Run) -> None:
    [record] = run(lambda asked: [SSE_HEAD, *tokens(3), chunk(b'data: {"choices": [\n\n'), chunk(DONE) + END])
    assert record.outcome == "stream_error"
    assert "cannot be read" in (record.error or "")


def test_hanging_stream_ends_after_the_idle_timeout_and_others_go_on(run: Run, tmp_path: Path) -> None:
    records = run(
        lambda asked: [SSE_HEAD, *tokens(4)[:2], HANG] if asked.number == 0 else [SSE_HEAD, 0.05, *tokens(4), DONE_END],
        idle_timeout_s=0.5,
        num_requests=8,
        arrival=ArrivalSpec("closed", concurrency=2),
    )
    assert sorted(record.outcome for record in records) == ["ok"] * 7 + ["timeout"]
    (hung,) = [record for record in records if not record.ok]
    assert "idle_timeout_s" in (hung.error or "")
    assert 0.5e9 < (hung.end_mono_ns or 0) - hung.chunk_mono_ns[-1] < 1.5e9
    assert read_record(tmp_path / "load_report.json", LoadReport).stopped_early is None


def test_server_that_hangs_ends_the_load(run: Run, tmp_path: Path) -> None:
    """It went on until 32 requests had timed out, which is an hour at the default limit of two minutes."""
    records = run(lambda asked: [SSE_HEAD, *tokens(4)[:2], HANG], idle_timeout_s=0.2, num_requests=9)
    assert [record.outcome for record in records] == ["timeout"]
    report = read_record(tmp_path / "load_report.json", LoadReport)
    assert report.stopped_early == "no byte on any of 1 streams for 0.2 s (idle_timeout_s)"


def test_dripping_stream_ends_after_the_request_timeout(run: Run) -> None:
    """Pings keep the connection busy for ever; the whole request has a limit of its own."""
    drip = [chunk(b": ping\n\n"), 0.05] * 40
    [record] = run(lambda asked: [SSE_HEAD, *drip], request_timeout_s=0.3, idle_timeout_s=0.2)
    assert record.outcome == "timeout"
    assert "request_timeout_s" in (record.error or "")


def test_reset_in_the_middle_of_a_stream(run: Run) -> None:
    [record] = run(lambda asked: [SSE_HEAD, *tokens(4)[:2], 0.05, RESET])
    assert record.outcome == "disconnected"
    assert len(record.chunk_mono_ns) == 2


def test_close_in_the_middle_of_a_stream(run: Run) -> None:
    [record] = run(lambda asked: [SSE_HEAD, *tokens(4)[:2], CLOSE])
    assert record.outcome == "disconnected"


def test_http_500_keeps_its_cause(run: Run) -> None:
    body = b'{"error": "out of memory"}'
    answer = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    records = run(lambda asked: [answer], num_requests=2)
    assert [(record.outcome, record.http_status) for record in records] == [("http_error", 500)] * 2
    assert "out of memory" in (records[0].error or "")


def test_done_without_a_token_is_empty(run: Run) -> None:
    [record] = run(lambda asked: [SSE_HEAD, chunk(DONE) + END])
    assert (record.outcome, record.chunk_mono_ns, record.output_sha256) == ("empty", (), None)


def test_an_answer_that_is_no_stream_is_empty(run: Run) -> None:
    body = b'{"choices": [{"text": "all at once"}]}'
    [record] = run(lambda asked: [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)])
    assert record.outcome == "empty"
    assert "all at once" in (record.error or "")


def four_a_chunk(counted: str) -> list[bytes | float]:
    """8 tokens in two chunks, 40 ms apart."""
    ids = [[1, 2, 3, 4], [5, 6, 7, 8]] if counted == "token_ids" else [None, None]
    running = [{"completion_tokens": 4}, {"completion_tokens": 8}] if counted == "continuous_usage" else [None, None]
    first = chunk(token(" a b c d", ids=ids[0], usage=running[0]))
    second = chunk(token(" e f g h", ids=ids[1], usage=running[1], finish="length"))
    final = [] if counted == "tokenizer" else [chunk(usage(8))]
    return [SSE_HEAD, first, 0.04, second, *final, chunk(DONE) + END]


@pytest.mark.parametrize("counted", ["token_ids", "continuous_usage", "usage", "tokenizer"])
def test_several_tokens_a_chunk(run: Run, counted: str, tiny_tokenizer: Path) -> None:
    """A client that takes a chunk for a token says TPOT 40 ms; it is 40 / 7."""
    folder = tiny_tokenizer if counted == "tokenizer" else None
    [record] = run(lambda asked: four_a_chunk(counted), num_output=8, tokenizer_folder=folder)
    assert (record.outcome, record.token_count_source) == ("ok", counted)
    assert record.chunk_num_tokens == (4, 4)


def test_usage_overrules_ids_that_disagree(run: Run) -> None:
    [record] = run(lambda asked: [SSE_HEAD, *tokens(3), chunk(usage(4)), chunk(DONE) + END])
    assert (record.outcome, record.token_count_source, record.num_output_tokens) == ("ok", "usage", 4)
    assert record.chunk_num_tokens == (2, 1, 1)


def test_a_length_that_nobody_tells_is_not_taken_for_granted(run: Run) -> None:
    [record] = run(lambda asked: [SSE_HEAD, chunk(token(" a")), chunk(token(" b", finish="stop")), chunk(DONE) + END])
    assert (record.outcome, record.num_output_tokens) == ("wrong_length", None)


def test_too_short_an_answer_is_a_wrong_length(run: Run) -> None:
    """A context that is too short, or a server that does not know ignore_eos."""
    [record] = run(lambda asked: [SSE_HEAD, *tokens(2), chunk(usage(2)), chunk(DONE) + END])
    assert record.outcome == "wrong_length"
    assert "2 output tokens, asked for 4" in (record.error or "")


def test_stream_that_ends_without_a_finish(run: Run) -> None:
    [record] = run(lambda asked: [SSE_HEAD, *tokens(4)[:3], END])
    assert record.outcome == "stream_error"


def test_end_by_closing_is_an_end_where_no_length_is_stated(run: Run) -> None:
    head = b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    stream = token(ids=[1]) + token(ids=[2], finish="length") + DONE
    records = run(lambda asked: [head, stream, CLOSE], num_output=2, num_requests=3)
    assert [record.outcome for record in records] == ["ok"] * 3


def test_server_that_closes_after_every_answer(run: Run) -> None:
    head = SSE_HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    records = run(lambda asked: [head, *tokens(4), chunk(DONE) + END, CLOSE], num_requests=3)
    assert [record.outcome for record in records] == ["ok"] * 3


def test_bytes_that_are_not_http(run: Run) -> None:
    [record] = run(lambda asked: [b"SSH-2.0-OpenSSH_9.2\r\n", HANG])
    assert record.outcome == "stream_error"
    assert "not HTTP" in (record.error or "")


def test_cached_prompt_tokens_are_kept(run: Run) -> None:
    last = chunk(usage(4, prompt_tokens_details={"cached_tokens": 6}))
    [record] = run(lambda asked: [SSE_HEAD, *tokens(4), last, chunk(DONE) + END])
    assert record.num_cached_prompt_tokens == 6


def test_equal_outputs_have_equal_digests(run: Run) -> None:
    def script(asked: Any) -> list[bytes]:
        ids = [1, 2, 3, 4] if asked.number < 2 else [1, 2, 3, 5]
        return [SSE_HEAD, *(chunk(token(ids=[i], finish="length" if i > 3 else None)) for i in ids), chunk(DONE) + END]

    first, second, third = run(script, num_requests=3)
    assert first.output_sha256 == second.output_sha256 != third.output_sha256


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_https_endpoint(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    records = run(lambda asked: [SSE_HEAD, *tokens(4), chunk(DONE) + END], num_requests=2, tls=context)
    assert [record.outcome for record in records] == ["ok"] * 2


def test_server_that_dies_ends_the_load_early(run: Run, tmp_path: Path) -> None:
    """A closed loop over a dead server would otherwise fail millions of requests until its duration is over."""
    records = run(
        lambda asked: [RESET], arrival=ArrivalSpec("closed", concurrency=4), num_requests=None, duration_s=60.0
    )
    assert 32 <= len(records) < 64
    assert {record.outcome for record in records} == {"disconnected"}
    assert "in a row failed" in (tmp_path / "load_report.json").read_text()
