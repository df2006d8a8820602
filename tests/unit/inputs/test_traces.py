"""Traces of production services: rows written in the layouts that their owners publish, times worked out by hand."""

import gzip
import json
from itertools import islice
from pathlib import Path

import pytest

from llmdvfs.errors import DataError
from llmdvfs.inputs.traces.reader import check_trace_head, read_window
from llmdvfs.inputs.traces.row import TraceRow

SHARED = Path(__file__).parents[4] / "shared" / "data"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


def written(folder: Path, text: str, name: str = "trace") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def azure(folder: Path, *stamps: str) -> list[float]:
    """Return the times of rows with these stamps."""
    path = written(folder, AZURE + "".join(f"{stamp},374,44\n" for stamp in stamps))
    return [row.t_s for row in read_window(path, "azure")]


def test_azure_2023_has_seven_digits_and_no_zone(tmp_path: Path) -> None:
    text = AZURE + "2023-11-16 18:15:59.9000000,374,44\r\n2023-11-16 18:16:00.1500005,396,109\r\n"
    rows = list(read_window(written(tmp_path, text), "azure"))
    assert rows == [TraceRow(0.0, 374, 44), TraceRow(0.25, 396, 109)]  # the 7th digit is below a microsecond


def test_azure_2024_leaves_the_fraction_out_in_whole_seconds(tmp_path: Path) -> None:
    """Such a stamp came about once in a million rows, and made a trace of a week unreadable."""
    stamps = ("2024-05-10 00:00:00.009930+00:00", "2024-05-10 00:00:01+00:00", "2024-05-10 00:00:01.000001+00:00")
    assert azure(tmp_path, *stamps) == [0.0, 0.99007, 0.990071]


def test_stamps_may_have_zones_of_any_spelling(tmp_path: Path) -> None:
    stamps = ("2024-05-10T00:00:00Z", "2024-05-10 02:00:00.5+02:00", "2024-05-10 00:00:01")
    assert azure(tmp_path, *stamps) == [0.0, 0.5, 1.0]


def test_azure_2025_counts_images_and_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    text = "\ufeffTIMESTAMP,NumImages,ContextTokens,GeneratedTokens\n2024-10-15T12:00:00.269Z,0,770,491\n"
    assert list(read_window(written(tmp_path, text), "azure")) == [TraceRow(0.0, 770, 491)]


def test_qwen_bailian_has_seconds_and_blocks_of_16_tokens(tmp_path: Path) -> None:
    """61.114 s were read as 61 ms, and 16-token blocks as blocks of 512, when it was passed off as a Mooncake trace."""
    fields = '"input_length": 33, "output_length": 7, "type": "text"'
    text = (
        f'{{"chat_id": 1, "parent_chat_id": -1, "timestamp": 61.114, "turn": 1, {fields}, "hash_ids": [1, 2, 3]}}\n'
        f'{{"chat_id": 2, "parent_chat_id": 1, "timestamp": 62.0, "turn": 2, {fields}, "hash_ids": [1, 2, 4]}}\n'
    )
    path = written(tmp_path, text)
    first, second = read_window(path, "qwen_bailian")
    assert (first.t_s, first.hash_ids, first.block_tokens) == (0.0, (1, 2, 3), 16)
    assert (second.t_s, second.hash_ids) == (0.886, (1, 2, 4))
    with pytest.raises(DataError, match=r"chat_id.*reads as qwen_bailian: set trace_format so"):
        check_trace_head(path, "mooncake")


@pytest.mark.parametrize(
    "record",
    [
        # Qwen's coder and thinking files have the same fields, and kinds of their own
        {"chat_id": 7, "parent_chat_id": -1, "turn": 1, "type": "coder"},
        {"chat_id": 7, "parent_chat_id": 3, "turn": 4, "type": "thinking"},
        # the default labels of `vllm bench serve --dataset-name timed_trace` (0.32), and nothing else
        {},
    ],
    ids=["coder", "thinking", "vllm bench timed_trace"],
)
def test_files_of_bailians_layout_are_read_whatever_else_they_tell(record: dict[str, object], tmp_path: Path) -> None:
    record |= {"timestamp": 61.114, "input_length": 33, "output_length": 7, "hash_ids": [1, 2, 3]}
    (row,) = read_window(written(tmp_path, json.dumps(record) + "\n"), "qwen_bailian")
    assert (row.num_prompt_tokens, row.num_output_tokens, row.hash_ids) == (33, 7, (1, 2, 3))


def test_mooncake_gz_is_sorted_and_starts_at_zero(tmp_path: Path) -> None:
    text = (
        '{"timestamp": 3500, "input_length": 600, "output_length": 5, "hash_ids": [0, 1]}\n'
        '{"timestamp": 500, "input_length": 700, "output_length": 6, "hash_ids": [0, 2]}'
    )
    first, second = read_window(written(tmp_path, text, "mooncake.jsonl.gz"), "mooncake")
    assert (first.t_s, first.hash_ids, second.t_s, second.hash_ids) == (0.0, (0, 2), 3.0, (0, 1))
    assert first.block_tokens == 512


def test_burstgpt_leaves_out_failed_requests(tmp_path: Path) -> None:
    text = (
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5,ChatGPT,472,18,490,Conversation log\n"
        "45,ChatGPT,1087,0,1087,Conversation log\n"
        "118,GPT-4,417,276,693,API log\n"
    )
    rows = list(read_window(written(tmp_path, text), "burstgpt"))
    assert [(row.t_s, row.num_output_tokens) for row in rows] == [(0.0, 18), (113.0, 276)]


def test_later_burstgpt_files_have_eight_columns_and_broken_seconds(tmp_path: Path) -> None:
    text = (
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5.25,a,1.5,ChatGPT,472,18,490,Conversation log\n"
        "6.0,a,2.0,ChatGPT,11,12,23,Conversation log\n"
    )
    assert list(read_window(written(tmp_path, text), "burstgpt")) == [TraceRow(0.0, 472, 18), TraceRow(0.75, 11, 12)]


def test_a_window_in_a_large_file_is_found_past_whole_blocks(tmp_path: Path) -> None:
    """90,000 rows a second apart are 4 MB: the reader passes over blocks and still counts from the first row."""
    stamps = (f"2024-05-{10 + s // 86400} {s // 3600 % 24:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(90_000))
    text = AZURE + "".join(f"{stamp}+00:00,{100 + second % 7},5\n" for second, stamp in enumerate(stamps))
    for name in ("trace.csv", "trace.csv.gz"):
        rows = list(read_window(written(tmp_path, text, name), "azure", start_s=80_000.0, length_s=3.0))
        assert [(row.t_s, row.num_prompt_tokens) for row in rows] == [
            (80_000.0, 100 + 80_000 % 7),
            (80_001.0, 100 + 80_001 % 7),
            (80_002.0, 100 + 80_002 % 7),
        ]


def test_what_follows_the_window_is_not_read(tmp_path: Path) -> None:
    text = AZURE + "2024-05-10 00:00:00,1,1\n2024-05-10 01:00:00,1,1\n" + " " * (1 << 20) + "\nrubbish\n"
    assert len(list(read_window(written(tmp_path, text), "azure", length_s=10.0))) == 1


DAMAGED = [
    ("azure", AZURE + "2023-11-16 18:15:46.6805900,374\n", "line 2.*2 columns: expected 3"),
    ("azure", "a,b\n1,2\n", "no column 'TIMESTAMP'"),
    ("azure", AZURE + "2024-05-10 00:00:00,-30,5\n", "line 2: -30 prompt"),
    ("azure", AZURE + "2024-05-10 00:00:00,374,-1\n", "line 2: 374 prompt and -1 output"),
    ("azure", AZURE + "2024-05-10 00:00:00,374,0\n", "no answered request"),
    ("azure", AZURE + "nan,374,5\n", "line 2"),
    ("azure", AZURE + "2024-05-10 00:00:00,3,5\n9999-01-01 00:00:00,3,5\n", "line 3 is 2912.* days after the first"),
    ("azure", AZURE + "2024-05-10 00:10:00,3,5\n2024-05-10 00:20:00,3,5\n2024-05-10 00:11:00,3,5\n", "540 s earlier"),
    (
        "mooncake",
        '{"timestamp": 0, "input_length": 9, "output_length": 1, "hash_ids": [1]}\n{"timestamp": 1, "i',
        "line 2",
    ),
    ("mooncake", '{"timestamp": 0, "input_length": 600, "output_length": 1, "hash_ids": [1, 2, 3]}\n', "3 hash_ids"),
    ("mooncake", '{"timestamp": 0, "input_length": 1.5, "output_length": 1, "hash_ids": [1]}\n', "whole number"),
    ("mooncake", "", "no answered request"),
    ("qwen_bailian", '{"timestamp": 0, "input_length": 600, "output_length": 1, "hash_ids": [1, 2]}\n', "16 tokens"),
    ("qwen_bailian", '{"timestamp": NaN, "input_length": 6, "output_length": 1, "hash_ids": [1]}\n', "line 1"),
    ("burstgpt", "Timestamp,Model,Request tokens,Response tokens\n5,m,x,1\n", "'x'"),
    ("burstgpt", "Timestamp,Model,Request tokens,Response tokens\ninf,m,3,1\n", "finite"),
    ("burstgpt", "Timestamp,Model,Request tokens,Response tokens\n", "no answered request"),
]


@pytest.mark.parametrize(("trace_format", "text", "words"), DAMAGED)
def test_damaged_trace_is_an_error(tmp_path: Path, trace_format: str, text: str, words: str) -> None:
    """Rows of -30 tokens became 1, instants that are no number vanished, and the year 9999 was waited for."""
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=words) as refused:
        list(read_window(path, trace_format))
    assert str(path) in str(refused.value)


def test_missing_trace_and_truncated_gzip_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no-such"):
        list(read_window(tmp_path / "no-such.csv", "azure"))
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(AZURE.encode() * 100)[:-12])
    with pytest.raises(DataError, match=r"cut\.csv\.gz"):
        list(read_window(path, "azure"))


def test_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="azure, mooncake, burstgpt, qwen_bailian"):
        list(read_window(tmp_path / "x", "sharegpt"))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared traces are not here")
def test_the_real_traces_read_whole() -> None:
    rows = list(read_window(SHARED / "azure_llm_2023_conv.csv.gz", "azure"))
    assert (len(rows), rows[0].num_prompt_tokens) == (19_366, 374)
    assert rows[1].t_s == pytest.approx(4.314579, abs=1e-6)  # 18:15:50.9951690 - 18:15:46.6805900
    mooncake = list(read_window(SHARED / "mooncake_conversation_head2000.jsonl.gz", "mooncake"))
    assert (len(mooncake), len(mooncake[0].hash_ids)) == (2_000, 14)
    assert len(list(islice(read_window(SHARED / "azure_llm_2023_conv.csv.gz", "azure", length_s=5.0), 9))) == 4
