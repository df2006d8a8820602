"""Real vLLM in every architecture gives the single server's greedy tokens; then it is killed.

The tests of this file share their servers and run in its order: the last ones end them.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from llmdvfs.records.load import LoadSpec
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.route import RoutePlan
from llmdvfs.records.spec import ArrivalSpec, LengthSpec, PromptSpec, WorkloadSpec
from llmdvfs.records.store import read_lines, read_record, write_record
from llmdvfs.serving.instance.http import Reply, get, post
from llmdvfs.serving.instance.ports import reserved
from llmdvfs.serving.lifetime import is_alive
from llmdvfs.serving.proxy.plan import ProxyPlan

from .conftest import WORKFLOW, Answers, Job, ask, ask_all, num_generated, prompts, shared_memory, tokens_by_source

Prompts = list[list[int]]
NUM_LONG = 90  # tokens of an answer that nobody reads


def test_greedy_text_depends_on_the_prompt(answers: Answers) -> None:
    assert len({tuple(tokens) for tokens in answers.single}) == 40
    assert all(len(set(tokens)) > 5 for tokens in answers.single)


def test_replicated_answers_as_the_single_server(answers: Answers) -> None:
    assert answers.balanced == answers.single
    assert answers.balanced_at_once == answers.single


def test_the_balancer_used_both(answers: Answers) -> None:
    assert answers.served == {"single-0": 40, "single-1": 40}


@contextlib.contextmanager
def one_to_one(job: Job) -> Iterator[str]:
    """A second proxy, before the first prefill server and the decode server."""
    plan = read_record(Path(job.facts["plan"]), ProxyPlan)
    pair = tuple(item for item in plan.upstreams if item.name in ("prefill-0", "decode-0"))
    folder = job.folder / "one_to_one"
    write_record(folder / "plan.json", ProxyPlan(pair, plan.connector))
    with reserved("127.0.0.1") as port:
        argv = ["proxy", "--plan", str(folder / "plan.json"), "--log", str(folder / "proxy.jsonl"), "--port", str(port)]
        proxy = subprocess.Popen(
            [sys.executable, "-m", "llmdvfs", *argv], env=os.environ | {"PYTHONPATH": str(WORKFLOW)}
        )
        try:
            assert wait_until(lambda: get(f"http://127.0.0.1:{port}/health", 2).ok, 20)
            yield f"http://127.0.0.1:{port}"
        finally:
            proxy.terminate()
            proxy.wait(10)


def wait_until(condition: Callable[[], bool], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def loads(job: Job) -> dict[str, dict[str, int]]:
    """Return the proxy's counts of each instance."""
    instances: dict[str, dict[str, int]] = json.loads(get(f"{job.base_url}/stats", 5).body)["instances"]
    return instances


def forget_transfers(job: Job) -> None:
    """A prefill server, too, loads what lies there; each pass is to transfer everything anew."""
    for entry in Path(job.facts["storage"]).iterdir():
        shutil.rmtree(entry)


def num_transferred(num_prompt_tokens: int) -> int:
    """Return the tokens that vLLM's example connector transfers: full blocks of 32 before the last token.

    It stores by (n - 1) // 32 blocks and looks for (n - 2) // 32: where these differ it finds nothing at all.
    """
    stored, wanted = (num_prompt_tokens - 1) // 32, (num_prompt_tokens - 2) // 32
    return 32 * wanted if stored == wanted else 0


@pytest.mark.parametrize("at_once", [1, 16])
def test_one_prefill_one_decode(disaggregated: Job, answers: Answers, forty: Prompts, at_once: int) -> None:
    forget_transfers(disaggregated)
    before = tokens_by_source(disaggregated.facts["instances"]["decode-0"])
    with one_to_one(disaggregated) as url:
        assert ask_all(url, forty, at_once) == answers.single
    after = tokens_by_source(disaggregated.facts["instances"]["decode-0"])
    expected = sum(num_transferred(len(prompt)) for prompt in forty)
    assert after["external_kv_transfer"] - before["external_kv_transfer"] == expected
    assert after["local_compute"] - before["local_compute"] == sum(map(len, forty)) - expected


@pytest.mark.parametrize("at_once", [1, 16])
def test_two_prefills_one_decode(disaggregated: Job, answers: Answers, forty: Prompts, at_once: int) -> None:
    forget_transfers(disaggregated)
    before = loads(disaggregated)
    assert ask_all(disaggregated.base_url, forty, at_once) == answers.single
    after = loads(disaggregated)
    served = {name: after[name]["served"] - before[name]["served"] for name in after}
    assert served == {"prefill-0": 20, "prefill-1": 20, "decode-0": 40}


def asked_by_the_client(job: Job, folder: Path, route: RoutePlan | None) -> list[RequestRecord]:
    """Run twelve greedy requests of 200 tokens, four at a time, by the load generator; None: through the proxy."""
    folder.mkdir()
    prompts_of_200 = PromptSpec("random", LengthSpec("fixed", value=200), LengthSpec("fixed", value=8))
    load = WorkloadSpec("direct", prompts_of_200, ArrivalSpec("closed", concurrency=4), 12, None)
    write_record(folder / "spec.json", LoadSpec(load, job.base_url, "tiny", None, 1, 1, str(folder), route=route))
    argv = [sys.executable, "-m", "llmdvfs", "load", str(folder / "spec.json")]
    subprocess.run(argv, check=True, env=os.environ | {"PYTHONPATH": str(WORKFLOW)})
    return list(read_lines(folder / "requests.jsonl", RequestRecord))


def test_these_servers_were_prepared(disaggregated: Job) -> None:
    """So what is told of them here is told of servers that imported first, and were told to serve then."""
    assert all(imported_s > 1 for imported_s in disaggregated.facts["prepared_s"])
    assert max(disaggregated.facts["startup_s"].values()) > 0


def test_without_the_proxy_answers_and_transfers_are_the_same(disaggregated: Job, tmp_path: Path) -> None:
    """The load generator as its own router (serving.route: direct), before one prefill and the decode server."""
    plan = read_record(Path(disaggregated.facts["plan"]), ProxyPlan)
    pair = tuple(item for item in plan.upstreams if item.name in ("prefill-0", "decode-0"))
    seen = {}
    for name, route in {"proxy": None, "direct": RoutePlan(pair, plan.connector)}.items():
        forget_transfers(disaggregated)
        before = tokens_by_source(disaggregated.facts["instances"]["decode-0"])
        requests = asked_by_the_client(disaggregated, tmp_path / name, route)
        after = tokens_by_source(disaggregated.facts["instances"]["decode-0"])
        assert [request.outcome for request in requests] == ["ok"] * 12
        transferred = after["external_kv_transfer"] - before["external_kv_transfer"]
        assert transferred == 12 * num_transferred(200)
        seen[name] = [request.output_sha256 for request in requests]
    assert seen["direct"] == seen["proxy"]
    assert len(set(seen["direct"])) == 12
    for way in read_lines(tmp_path / "direct" / "proxy.jsonl", ProxyRecord):
        assert (way.prefill_instance, way.decode_instance, way.status, way.error) == (
            "prefill-0",
            "decode-0",
            200,
            None,
        )
        stamps = [way.prefill_sent_mono_ns, way.prefill_done_mono_ns, way.decode_sent_mono_ns, way.first_byte_mono_ns]
        known = [stamp for stamp in stamps if stamp is not None]
        assert len(known) == 4
        assert known == sorted(known)


def test_slow_clients_do_not_grow_the_proxy(disaggregated: Job) -> None:
    """A proxy that collected these answers would hold 20 MB: 28 kB a token.

    It holds some 7 MB, a few pieces of up to 256 KiB a stream, and as much when the answers were seven times as long.
    """
    proxy = psutil.Process(disaggregated.facts["pids"]["proxy"])
    decode = disaggregated.facts["instances"]["decode-0"]
    ask(disaggregated.base_url, prompts(11, seed=5)[10])
    before, generated = proxy.memory_info().rss, num_generated(decode)
    assert generated is not None
    host, port = disaggregated.base_url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as clients:
        for number in range(8):  # each asks for a long answer and reads nothing of it
            client = clients.enter_context(socket.create_connection((host, int(port))))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            asked = {"model": "tiny", "prompt": [7 + number] * 40, "max_tokens": NUM_LONG, "ignore_eos": True}
            body = json.dumps(asked | {"stream": True, "logprobs": 1000}).encode()
            head = f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            client.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert wait_until(lambda: (num_generated(decode) or 0) - generated == 8 * NUM_LONG, 120)
        assert proxy.memory_info().rss - before < 12 * 2**20
    assert wait_until(lambda: loads(disaggregated)["decode-0"]["in_flight"] == 0, 10)


def test_servers_and_proxy_cannot_be_reached_from_another_host(disaggregated: Job) -> None:
    listening = [
        (process.pid, connection.laddr)
        for process in psutil.Process(disaggregated.process.pid).children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len({address.port for _, address in listening}) >= 4  # three servers and the proxy
    assert {address.ip for _, address in listening} == {"127.0.0.1"}


def test_a_prefill_server_killed_mid_run_is_a_clean_error_at_once(disaggregated: Job) -> None:
    """Requests that it has and requests that come later are refused, the others answered; decode is not asked."""
    results: list[tuple[float, Reply]] = []

    def send(prompt: list[int]) -> None:
        body = {"model": "tiny", "max_tokens": 4, "ignore_eos": True, "prompt": prompt}
        answer = post(f"{disaggregated.base_url}/v1/completions", body, 30)
        results.append((time.monotonic(), answer))

    many = prompts(26, seed=9)[10:]
    prefill = disaggregated.facts["pids"]["prefill-1"]
    os.kill(prefill, signal.SIGSTOP)  # so that it surely has its requests when it is killed
    senders = [threading.Thread(target=send, args=(prompt,)) for prompt in many[:14]]
    for sender in senders:
        sender.start()
    # In turns, half of the 14 are prefill-1's.
    assert wait_until(lambda: loads(disaggregated)["prefill-1"]["in_flight"] == 7 and len(results) == 7, 30)
    os.kill(prefill, signal.SIGKILL)
    killed = time.monotonic()
    for sender in senders:
        sender.join()
    for prompt in many[14:]:
        send(prompt)
    failed = [(when, answer) for when, answer in results if not answer.ok]
    assert len(failed) == 8
    for when, answer in failed:
        assert when - killed < 5
        assert answer.status == 502
        assert json.loads(answer.body)["error"]["message"].startswith("prefill-1: prefill failed")
    stamps = Path(disaggregated.facts["plan"]).with_name("proxy.jsonl")

    def refused() -> list[ProxyRecord]:
        return [record for record in read_lines(stamps, ProxyRecord) if record.status == 502]

    assert wait_until(lambda: len(refused()) == 8, 10)  # stamps are written a moment after their request's end
    assert [record.decode_sent_mono_ns for record in refused()] == [None] * 8
    health = get(f"{disaggregated.base_url}/health", 5)
    assert health.status == 503
    assert json.loads(health.body)["instances"]["decode-0"] == "ok"
    event = disaggregated.next_event()
    assert (event["event"], event["name"]) == ("dead", "prefill-1")
    assert event["cause"].startswith("ended by SIGKILL")


def test_nothing_is_left_after_sigkill_of_the_job(disaggregated: Job) -> None:
    family = [pid for pid in disaggregated.facts["family"] if is_alive(pid)]
    assert len(family) >= 8  # guards, servers and engines of two instances and the proxy
    shared = shared_memory(family)
    assert len(shared) >= 2
    disaggregated.process.kill()
    assert wait_until(lambda: not any(is_alive(pid) for pid in family), 10), [p for p in family if is_alive(p)]
    for url in disaggregated.facts["instances"].values():
        assert get(f"{url}/health", 1).status is None
    assert not Path(disaggregated.facts["storage"]).exists()
    assert [path for path in shared if path.exists()] == []
