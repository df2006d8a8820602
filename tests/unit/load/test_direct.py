"""The route `direct`: the load generator asks scripted instances itself, and tells what became of each request."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from fakes.instances import PARAMS, Scripted, prefilled, route, streamed, whole
from fakes.scripted_server import CLOSE, HANG, RESET, SSE_HEAD, Action, Asked, chunk, token
from fakes.workloads import workload

from llmdvfs.load.run import run_load
from llmdvfs.load.sending.journal import read_journal
from llmdvfs.records.load import LoadReport, LoadSpec
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.route import RoutePlan
from llmdvfs.records.spec import ArrivalSpec, WorkloadSpec
from llmdvfs.records.store import read_lines, read_record, write_record

TWO = ArrivalSpec("closed", concurrency=2)


@dataclass
class Ran:
    report: LoadReport
    requests: list[RequestRecord]
    ways: dict[str, ProxyRecord]

    @property
    def way(self) -> ProxyRecord:
        """The only one."""
        (way,) = self.ways.values()
        return way


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run_one(plan: RoutePlan, load: WorkloadSpec, tokenizer: Path | None = None) -> Ran:
        folder = None if tokenizer is None else str(tokenizer)
        spec = LoadSpec(load, plan.upstreams[0].base_url, "mock", folder, 1, 1, str(tmp_path), route=plan)
        write_record(tmp_path / "load_spec.json", spec)  # as the process of the load generator gets it
        report = run_load(read_record(tmp_path / "load_spec.json", LoadSpec))
        requests = list(read_lines(tmp_path / "requests.jsonl", RequestRecord))
        ways = {way.request_id: way for way in read_lines(tmp_path / "proxy.jsonl", ProxyRecord)}
        assert sorted(ways) == sorted(request.request_id for request in requests)
        return Ran(report, requests, ways)

    return run_one


def failing(*actions: Action) -> Callable[[Asked], Iterator[Action]]:
    return lambda asked: iter(actions)


@pytest.mark.parametrize("endpoint", ["completions", "chat"])
def test_prefill_is_asked_for_one_token_and_decode_with_its_answer(
    run: Run, endpoint: str, tiny_tokenizer: Path
) -> None:
    """What each instance was sent, side by side: as the proxy would have made it of the same request."""
    prefill, decode = Scripted(prefilled), Scripted(lambda asked: streamed(replace(asked, body={"max_tokens": 4})))
    with route({"prefill-0": prefill, "decode-0": decode}, "nixl") as plan:
        ran = run(plan, workload(endpoint=endpoint), tiny_tokenizer)
    (first,), (second,) = prefill.asked, decode.asked
    assert first.path == second.path == ("/v1/completions" if endpoint == "completions" else "/v1/chat/completions")
    assert (first.body["max_tokens"], first.body["stream"]) == (1, False)
    assert first.body["kv_transfer_params"]["do_remote_decode"] is True
    assert not {"min_tokens", "stream_options", "max_completion_tokens", "return_token_ids"} & set(first.body)
    assert second.body["kv_transfer_params"] == PARAMS
    assert (second.body["stream"], second.body["min_tokens"], second.body["ignore_eos"]) == (True, 4, True)
    assert second.body["return_token_ids"] is True
    prompt = "prompt" if endpoint == "completions" else "messages"
    assert first.body[prompt] == second.body[prompt]
    assert first.headers["x-request-id"] == second.headers["x-request-id"]
    assert first.headers["x-request-id"].startswith(f"{ran.requests[0].request_id}-")
    assert ran.report.outcomes == {"ok": 1}


def test_the_stamps_of_a_handover_are_in_the_order_of_events(run: Run) -> None:
    """Prefill takes 50 ms and decode 30 ms: the stamps say so, and the TTFT counts from the prefill request."""
    slow_prefill = Scripted(lambda asked: iter([0.05, *prefilled(asked)]))
    slow_decode = Scripted(lambda asked: iter([0.03, *streamed(asked)]))
    with route({"prefill-0": slow_prefill, "decode-0": slow_decode}, "nixl") as plan:
        ran = run(plan, workload(num_output=3))
    (request,), way = ran.requests, ran.way
    assert (way.prefill_instance, way.decode_instance, way.status, way.error) == ("prefill-0", "decode-0", 200, None)
    stamps = [way.received_mono_ns, way.prefill_sent_mono_ns, way.prefill_done_mono_ns, way.decode_sent_mono_ns]
    stamps += [way.headers_mono_ns, way.first_byte_mono_ns, way.last_byte_mono_ns]
    known = [stamp for stamp in stamps if stamp is not None]
    assert len(known) == 7
    assert known == sorted(known)
    assert way.received_mono_ns == way.prefill_sent_mono_ns == request.sent_mono_ns
    assert way.last_byte_mono_ns == request.end_mono_ns
    assert known[2] - known[1] >= 50e6
    assert known[5] - known[3] >= 30e6
    assert request.chunk_mono_ns[0] - known[1] >= 80e6
    assert request.num_output_tokens == 3


def test_p2p_requests_carry_both_addresses_in_their_id(run: Run) -> None:
    prefill, decode = Scripted(prefilled), Scripted(streamed)
    with route({"prefill-0": prefill, "decode-0": decode}, "p2p_nccl") as plan:
        ran = run(plan, workload())
    request_id = prefill.asked[0].headers["x-request-id"]
    assert request_id == decode.asked[0].headers["x-request-id"]
    assert request_id.startswith("___prefill_addr_127.0.0.1:20___decode_addr_127.0.0.1:21_")
    assert "kv_transfer_params" not in decode.asked[0].body
    assert ran.report.outcomes == {"ok": 1}


def test_replicas_are_asked_in_turns_without_a_router(run: Run) -> None:
    """Six requests, the first two of them at once; the warm-up took one turn of each instance before."""
    replicas = {f"single-{number}": Scripted(streamed) for number in range(2)}
    with route(replicas) as plan:
        ran = run(plan, workload(TWO, num_requests=6, num_warmup_requests=2))
    assert [len(each.asked) for each in replicas.values()] == [4, 4]
    assert Counter(way.decode_instance for way in ran.ways.values()) == {"single-0": 3, "single-1": 3}
    for request in ran.requests:
        way = ran.ways[request.request_id]
        assert (way.prefill_instance, way.prefill_sent_mono_ns, way.prefill_done_mono_ns) == (None, None, None)
        assert way.received_mono_ns == way.decode_sent_mono_ns == request.sent_mono_ns
    assert ran.report.outcomes == {"ok": 6}


def test_least_requests_leaves_a_busy_instance_alone(run: Run) -> None:
    """single-0 holds its first request for 0.3 s; with two in flight all others go to single-1, which soon is free."""
    slow = Scripted(lambda asked: iter([0.3, *streamed(asked)]))
    quick = Scripted(streamed)
    with route({"single-0": slow, "single-1": quick}, policy="least_requests") as plan:
        run(plan, workload(TWO, num_requests=6))
    assert len(slow.asked) == 1
    assert len(quick.asked) == 5


@pytest.mark.parametrize("connector", ["nixl", "nixl_push"])
def test_a_refusing_prefill_is_the_answer_of_its_request(run: Run, connector: str) -> None:
    prefill = Scripted(failing(whole({"error": {"message": "too long"}}, "400 Bad Request")))
    decode = Scripted(failing(0.2, SSE_HEAD, HANG))
    with route({"prefill-0": prefill, "decode-0": decode}, connector) as plan:
        ran = run(plan, workload())
    (request,), way = ran.requests, ran.way
    assert (request.outcome, request.http_status) == ("http_error", 400)
    assert request.error == 'prefill-0: prefill answered 400; HTTP 400: {"error":{"message":"too long"}}'
    assert (way.status, way.error, way.first_byte_mono_ns) == (400, "prefill-0: prefill answered 400", None)
    assert way.prefill_done_mono_ns is not None
    assert len(decode.asked) == (connector == "nixl_push")


@pytest.mark.parametrize(
    ("actions", "cause"),
    [
        ((CLOSE,), "the server closed the connection before the end of the answer"),
        ((SSE_HEAD, RESET), "connection lost: ConnectionResetError(104, 'Connection reset by peer')"),
        ((b"what?\r\n\r\n",), "the server does not speak HTTP"),
    ],
)
def test_a_prefill_that_breaks_off_is_named_and_decode_is_never_asked(
    run: Run, actions: tuple[Action, ...], cause: str
) -> None:
    prefill, decode = Scripted(failing(*actions)), Scripted(streamed)
    with route({"prefill-0": prefill, "decode-0": decode}, "nixl") as plan:
        ran = run(plan, workload())
    (request,), way = ran.requests, ran.way
    assert request.outcome == "disconnected"
    assert request.error is not None
    assert request.error.startswith(f"prefill-0: prefill failed: {cause}")
    assert (way.decode_instance, way.decode_sent_mono_ns, way.error) == (None, None, request.error)
    assert decode.asked == []


def test_a_dead_prefill_refuses_connections_and_is_named(run: Run) -> None:
    """It dies after the connections were opened: its requests meet a closed port, the other instance's go well."""
    dying = socket.create_server(("127.0.0.1", 0))
    closed = f"http://127.0.0.1:{dying.getsockname()[1]}"

    def die() -> None:
        connection, _ = dying.accept()
        dying.close()
        connection.close()

    thread = threading.Thread(target=die)
    thread.start()
    prefill = Scripted(prefilled)
    with route({"prefill-0": prefill, "prefill-1": prefill, "decode-0": Scripted(streamed)}, "nixl") as plan:
        first, second, third = plan.upstreams
        plan = replace(plan, upstreams=(first, replace(second, base_url=closed), third))
        ran = run(plan, workload(TWO, num_requests=4))
    thread.join()
    failed = [request for request in ran.requests if request.outcome != "ok"]
    assert len(failed) == 2
    assert all(str(request.error).startswith("prefill-1: prefill failed: ") for request in failed)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (whole({"choices": []}), 'prefill-0: the prefill answer carries no kv_transfer_params: {"choices":[]}'),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "prefill-0: the prefill answer is not a JSON object"),
    ],
)
def test_a_prefill_answer_that_decode_cannot_use_is_no_answer(run: Run, answer: bytes, cause: str) -> None:
    """Without transfer parameters decode would compute the prompt itself, and nobody would notice."""
    prefill, decode = Scripted(failing(answer)), Scripted(streamed)
    with route({"prefill-0": prefill, "decode-0": decode}, "nixl") as plan:
        ran = run(plan, workload())
    (request,) = ran.requests
    assert request.outcome == "stream_error"
    assert request.error is not None
    assert request.error.startswith(cause)
    assert decode.asked == []


def test_a_decode_that_breaks_off_is_named_with_what_it_had_sent(run: Run) -> None:
    decode = Scripted(failing(SSE_HEAD, chunk(token(ids=[1])), 0.05, RESET))
    with route({"prefill-0": Scripted(prefilled), "decode-0": decode}, "nixl") as plan:
        ran = run(plan, workload())
    (request,), way = ran.requests, ran.way
    assert request.outcome == "disconnected"
    assert str(request.error).startswith("decode-0 broke off: connection lost")
    assert request.chunk_num_tokens == (1,)
    assert way.first_byte_mono_ns is not None
    assert way.last_byte_mono_ns is None


def test_a_decode_that_refuses_is_named_beside_its_words(run: Run) -> None:
    decode = Scripted(failing(whole({"error": {"message": "full"}}, "503 Service Unavailable")))
    with route({"prefill-0": Scripted(prefilled), "decode-0": decode}, "nixl") as plan:
        ran = run(plan, workload())
    (request,) = ran.requests
    assert request.outcome == "http_error"
    assert request.error == 'decode-0 answered 503; HTTP 503: {"error":{"message":"full"}}'


@pytest.mark.parametrize("connector", ["nixl", "nixl_push"])
@pytest.mark.parametrize("silent", ["prefill-0", "decode-0"])
def test_a_silent_instance_times_out_by_name(run: Run, connector: str, silent: str) -> None:
    """Nobody says anything for 0.4 s: the request ends, and both instances lose it."""
    instances = {"prefill-0": Scripted(prefilled), "decode-0": Scripted(streamed)}
    instances[silent].answer = failing(HANG)
    with route(instances, connector) as plan:
        ran = run(plan, workload(idle_timeout_s=0.4))
    (request,), way = ran.requests, ran.way
    assert request.outcome == "timeout"
    assert str(request.error).startswith(f"{silent}: no byte for 0.4 s (idle_timeout_s) after 0 reads")
    assert way.status == 499
    assert way.last_byte_mono_ns is None


def test_one_failure_leaves_the_counts_of_both_instances_even(run: Run) -> None:
    """An instance that kept a failed request on its account would be avoided ever after by `least_requests`.

    Every third prefill breaks off. With both prefill instances free whenever one is chosen, they take turns: 6 and 6.
    """
    answers = {"prefill-0": Scripted(prefilled), "prefill-1": Scripted(prefilled), "decode-0": Scripted(streamed)}
    answers["prefill-0"].answer = lambda asked: iter([CLOSE]) if asked.number % 3 == 0 else prefilled(asked)
    with route(answers, "nixl", "least_requests") as plan:
        ran = run(plan, workload(num_requests=12))
    assert [len(answers[name].asked) for name in answers] == [6, 6, 10]
    assert ran.report.outcomes == {"ok": 10, "disconnected": 2}


def test_pushing_asks_both_at_once(run: Run) -> None:
    """Prefill answers after 0.2 s and decode had the request long before that; the answer ends when both have."""
    prefill = Scripted(lambda asked: iter([0.2, *prefilled(asked)]))
    with route({"prefill-0": prefill, "decode-0": Scripted(streamed)}, "nixl_push") as plan:
        ran = run(plan, workload(num_output=2))
    (request,), way = ran.requests, ran.way
    assert request.outcome == "ok"
    assert request.num_output_tokens == 2
    sent, done, decode_sent = way.prefill_sent_mono_ns, way.prefill_done_mono_ns, way.decode_sent_mono_ns
    assert sent is not None
    assert done is not None
    assert decode_sent is not None
    assert sent < decode_sent < done


def test_the_journal_tells_the_way_again(run: Run, tmp_path: Path) -> None:
    """Everything in proxy.jsonl is in journal.bin, too; a plain load's frames have no word of it."""
    with route({"prefill-0": Scripted(prefilled), "decode-0": Scripted(streamed)}, "nixl") as plan:
        way = run(plan, workload()).way
    (exchange,) = read_journal(tmp_path / "journal.bin")
    assert exchange.hops is not None
    assert exchange.hops.prefill_done_mono_ns == way.prefill_done_mono_ns
    assert exchange.hops.decode_sent_mono_ns == way.decode_sent_mono_ns
