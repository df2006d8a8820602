"""What was read is kept to the byte, and a journal that was cut off says so."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdvfs.errors import SchemaError
from llmdvfs.load.sending.journal import JournalWriter, read_journal
from llmdvfs.load.wire.exchange import Exchange


def exchange(index: int, reads: list[tuple[int, bytes]]) -> Exchange:
    return Exchange(
        index=index,
        request_id=f"id{index}",
        wave=None,
        num_prompt_tokens=3,
        num_output_tokens=4,
        scheduled_mono_ns=10,
        sent_mono_ns=11,
        reads=reads,
        end_mono_ns=99,
        failure="reset",
        cause="why",
    )


@given(st.lists(st.lists(st.tuples(st.integers(0, 2**62), st.binary(max_size=40)), max_size=5), max_size=5))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, reads: list[list[tuple[int, bytes]]]) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.bin"
    exchanges = [exchange(index, list(one)) for index, one in enumerate(reads)]
    with JournalWriter(path) as writer:
        for one in exchanges:
            writer.write(one)
    assert list(read_journal(path)) == exchanges


@pytest.mark.parametrize("missing", [1, 7, 20, 200])
def test_cut_off_journal_is_refused(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "journal.bin"
    with JournalWriter(path) as writer:
        writer.write(exchange(0, [(1, b"whole")]))
        writer.write(exchange(1, [(2, b"cut")]))
    path.write_bytes(path.read_bytes()[:-missing])
    entries = read_journal(path)
    assert next(entries).index == 0
    with pytest.raises(SchemaError, match=r"cut off|before its end"):
        next(entries)


def test_other_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.bin"
    path.write_bytes(b"llmdvfs/journal 2\n")
    with pytest.raises(SchemaError, match="journal 1"):
        next(read_journal(path))


def test_a_key_that_the_endpoint_repeats_is_not_kept(tmp_path: Path) -> None:
    """`Incorrect API key provided: sk-...` comes back, here in two reads; their lengths stay."""
    path = tmp_path / "journal.bin"
    with JournalWriter(path, "sk-0123456789") as writer:
        writer.write(exchange(0, [(1, b"wrong key sk-0123"), (2, b"456789 given")]))
    [kept] = read_journal(path)
    assert kept.reads == [(1, b"wrong key *******"), (2, b"****** given")]
    assert b"0123456789" not in path.read_bytes()
