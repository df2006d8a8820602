"""One journal, four sets of definitions."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from fakes.workloads import workload

from llmdvfs.load.peers.lens import numbers, read_seen
from llmdvfs.load.peers.vllm_export import vllm_result
from llmdvfs.load.sending.journal import JournalWriter
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.records.spec import ArrivalSpec

MS = 1_000_000
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(value: object) -> bytes:
    data = b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def delta(text: str, finish: str | None = None) -> dict[str, object]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A chat of 4 tokens in 3 chunks after an empty one, and one that broke after its second chunk."""
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 4}}
    end = chunk(usage) + chunk(b"[DONE]") + b"0\r\n\r\n"
    good = [(12, HEAD + chunk(delta(""))), (50, chunk(delta("a"))), (60, chunk(delta("b")))]
    good += [(80, chunk(delta("cd", "length"))), (81, end)]
    bad = [(40, HEAD + chunk(delta("a"))), (50, chunk(delta("b"))), (55, chunk({"error": "engine died"}))]
    bad += [(56, chunk(b"[DONE]") + b"0\r\n\r\n")]
    path = tmp_path / "journal.bin"
    with JournalWriter(path) as writer:
        for index, reads in enumerate((good, bad)):
            stamped = [(instant * MS, data) for instant, data in reads]
            writer.write(Exchange(index, f"r{index}", None, 5, 4, 0, 10 * MS, stamped, 81 * MS))
    return path


def ms(values_s: list[float]) -> list[float]:
    return [round(value * 1e3, 6) for value in values_s]


def test_ours(journal: Path) -> None:
    seen = numbers(read_seen(journal), "llm-dvfs")
    assert (seen.num_successes, ms(seen.ttft_s), ms(seen.e2e_s)) == (1, [40.0], [70.0])
    assert ms(seen.tpot_s) == [10.0]  # 30 ms for 3 tokens
    assert ms(seen.itl_s) == [10.0, 20.0]  # usage spreads 4 tokens over 3 chunks as 2, 1, 1


def test_vllm_takes_the_empty_chunk_for_the_first_token_and_the_error_for_a_success(journal: Path) -> None:
    seen = numbers(read_seen(journal), "vllm bench serve")
    assert ms(seen.ttft_s) == [2.0, 30.0]
    assert ms(seen.itl_s) == [38.0, 10.0, 20.0, 10.0]
    assert ms(seen.tpot_s) == [pytest.approx(68 / 3, abs=1e-6)]  # nobody counts the tokens of the broken stream


def test_aiperf_has_one_itl_a_request(journal: Path) -> None:
    seen = numbers(read_seen(journal), "aiperf")
    assert ms(seen.ttft_s) == [40.0, 30.0]
    assert ms(seen.itl_s) == ms(seen.tpot_s) == [10.0]


def test_guidellms_tpot_contains_the_ttft(journal: Path) -> None:
    seen = numbers(read_seen(journal), "guidellm")
    assert (seen.num_successes, ms(seen.itl_s), ms(seen.tpot_s)) == (1, [10.0] * 3, [17.5] * 4)  # 70 ms for 4 tokens
    assert ms(seen.e2e_s) == [71.0]  # the stream ends 1 ms after its last content


def test_guidellm_counts_each_request_once_a_token(tmp_path: Path) -> None:
    """8 requests in turns of 4 tokens 100 ms apart and 16 tokens 20 ms apart, the first token after 204 ms.

    Of such a load guidellm 0.8.1 was seen to print ITL mean 33.3, median 20.05 and TPOT 50.4.
    By hand: (3 * 100 + 15 * 20) / 18 = 33.3; the 9th of 18 sorted values is 20; TPOT is 504 / 4 = 126 four times and
    504 / 16 = 31.5 sixteen times, so 1008 / 20 = 50.4.
    """
    path = tmp_path / "journal.bin"
    with JournalWriter(path) as writer:
        for index in range(8):
            num, gap_ms = ((4, 100), (16, 20))[index % 2]
            reads = [(204 + gap_ms * number, chunk(delta("a"))) for number in range(num)]
            usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": num}}
            end = chunk(delta("", "length")) + chunk(usage) + chunk(b"[DONE]") + b"0\r\n\r\n"
            reads = [(0, HEAD), *reads, (reads[-1][0] + 1, end)]
            stamped = [(instant * MS, data) for instant, data in reads]
            writer.write(Exchange(index, f"r{index}", None, 5, num, 0, 0, stamped, reads[-1][0] * MS))
    seen = numbers(read_seen(path), "guidellm")
    itl_ms, tpot_ms = ms(seen.itl_s), ms(seen.tpot_s)
    assert np.mean(itl_ms) == pytest.approx(33.333, abs=1e-3)
    assert np.percentile(itl_ms, 50, method=seen.percentile_method) == 20.0
    assert np.mean(tpot_ms) == pytest.approx(50.4)


def test_export_has_the_layout_of_vllm_bench(journal: Path) -> None:
    load = workload(ArrivalSpec("closed", concurrency=2), num_requests=2, endpoint="chat")
    result = vllm_result(read_seen(journal), load, model="m", ended_unix_s=0.0)
    assert (result["backend"], result["model_id"], result["max_concurrency"]) == ("openai-chat", "m", 2)
    assert (result["num_prompts"], result["completed"], result["failed"]) == (2, 2, 0)
    assert result["duration"] == pytest.approx(0.07)
    assert (result["total_input_tokens"], result["total_output_tokens"]) == (10, 4)
    assert result["output_throughput"] == pytest.approx(4 / 0.07)
    assert result["ttfts"] == pytest.approx([0.002, 0.030])
    assert result["itls"] == [pytest.approx([0.038, 0.010, 0.020]), pytest.approx([0.010])]
    assert result["mean_ttft_ms"] == pytest.approx(16.0)
    assert result["generated_texts"] == ["abcd", "ab"]
    assert "engine died" in result["errors"][1]
    assert result["request_rate"] == "inf"
    json.dumps(result, allow_nan=False)


def test_export_tells_what_was_and_invents_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace of three requests at 0, 1 and 2 s, each sent 30 ms late, its two tokens 0.5 and 1.5 s after that.

    Seconds from the first send hold 1, 2, 2 and 1 tokens; the requests touch seconds 0-1, 1-2 and 2-3: two at most.
    """
    path = tmp_path / "journal.bin"
    with JournalWriter(path) as writer:
        for index in range(3):
            due = index * 1000
            reads = [(due + 530, HEAD + chunk(delta("a"))), (due + 1530, chunk(delta("b", "length")))]
            reads[-1] = (reads[-1][0], reads[-1][1] + chunk(b"[DONE]") + b"0\r\n\r\n")
            stamped = [(instant * MS, data) for instant, data in reads]
            writer.write(
                Exchange(index, f"r{index}", None, 5, 2, due * MS, (due + 30) * MS, stamped, (due + 1530) * MS)
            )
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    result = vllm_result(read_seen(path), workload(ArrivalSpec("trace")), model="m", ended_unix_s=0.0)
    monkeypatch.undo()
    time.tzset()
    assert result["date"] == "19700101-080000"  # local time
    assert result["queue_times"] == pytest.approx([0.03] * 3)
    assert result["request_rate"] == pytest.approx(1.0)  # two gaps in two seconds
    assert (result["max_output_tokens_per_s"], result["max_concurrent_requests"], result["rtfx"]) == (2.0, 2, 0.0)


def test_export_of_a_load_that_failed_altogether(tmp_path: Path) -> None:
    path = tmp_path / "journal.bin"
    with JournalWriter(path) as writer:
        writer.write(Exchange(0, "r0", None, 5, 4, 0, 10, [], 20, "reset", "gone"))
    result = vllm_result(read_seen(path), workload(), model="m", ended_unix_s=0.0)
    assert (result["completed"], result["failed"], result["output_throughput"]) == (0, 1, 0.0)
    json.dumps(result, allow_nan=False)
