"""Traces of production services."""

import gzip
from pathlib import Path

import pytest

from llmdvfs.errors import DataError
from llmdvfs.load.schedule.traces import read_trace

SHARED = Path(__file__).parents[4] / "shared" / "data"


def test_azure(tmp_path: Path) -> None:
    path = tmp_path / "azure.csv"
    path.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
        "2023-11-16 18:15:59.9000000,374,44\r\n"
        "2023-11-16 18:16:00.1500005,396,109\r\n"
    )
    first, second = read_trace(path, "azure")
    assert (first.t_s, first.num_prompt_tokens, first.num_output_tokens) == (0.0, 374, 44)
    assert second.t_s == pytest.approx(0.2500005, abs=1e-6)


def test_mooncake_gz_is_sorted_and_starts_at_zero(tmp_path: Path) -> None:
    path = tmp_path / "mooncake.jsonl.gz"
    lines = [
        '{"timestamp": 3500, "input_length": 600, "output_length": 5, "hash_ids": [0, 1]}',
        '{"timestamp": 500, "input_length": 700, "output_length": 6, "hash_ids": [0, 2]}',
    ]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    first, second = read_trace(path, "mooncake")
    assert (first.t_s, first.hash_ids, second.t_s, second.hash_ids) == (0.0, (0, 2), 3.0, (0, 1))


def test_burstgpt_leaves_out_failed_requests(tmp_path: Path) -> None:
    path = tmp_path / "burst.csv"
    path.write_text(
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5,ChatGPT,472,18,490,Conversation log\n"
        "45,ChatGPT,1087,0,1087,Conversation log\n"
        "118,GPT-4,417,276,693,API log\n"
    )
    rows = read_trace(path, "burstgpt")
    assert [(row.t_s, row.num_output_tokens) for row in rows] == [(0.0, 18), (113.0, 276)]


@pytest.mark.parametrize(
    ("trace_format", "text"),
    [
        ("azure", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374\n"),
        ("azure", "a,b\n1,2\n"),
        ("mooncake", '{"timestamp": 0, "input_length": 1, "output_length": 1, "hash_ids": [1]}\n{"timestamp": 1, "inp'),
        ("burstgpt", "Timestamp,Model,Request tokens,Response tokens\n5,m,x,1\n"),
        ("burstgpt", "Timestamp,Model,Request tokens,Response tokens\n"),
        ("mooncake", ""),
    ],
)
def test_damaged_trace_is_an_error(tmp_path: Path, trace_format: str, text: str) -> None:
    path = tmp_path / "trace"
    path.write_text(text)
    with pytest.raises(DataError, match=str(path)):
        read_trace(path, trace_format)


def test_missing_trace_and_truncated_gzip_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no-such"):
        read_trace(tmp_path / "no-such.csv", "azure")
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(b"TIMESTAMP,ContextTokens,GeneratedTokens\n" * 100)[:-12])
    with pytest.raises(DataError, match=r"cut\.csv\.gz"):
        read_trace(path, "azure")


def test_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="azure, mooncake, burstgpt"):
        read_trace(tmp_path / "x", "sharegpt")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared traces are not here")
def test_the_real_traces_read_whole() -> None:
    azure = read_trace(SHARED / "azure_llm_2023_conv.csv.gz", "azure")
    assert (len(azure), azure[0].num_prompt_tokens) == (19_366, 374)
    assert azure[1].t_s == pytest.approx(4.314579, abs=1e-6)  # 18:15:50.9951690 - 18:15:46.6805900
    mooncake = read_trace(SHARED / "mooncake_conversation_head2000.jsonl.gz", "mooncake")
    assert (len(mooncake), len(mooncake[0].hash_ids)) == (2_000, 14)
