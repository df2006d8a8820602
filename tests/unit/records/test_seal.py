"""Raw files are evidence: what was edited after the measurement is not analysed."""

import json
import shutil
from pathlib import Path

import pytest

from llmdvfs.errors import SchemaError
from llmdvfs.records.raw import read_raw
from llmdvfs.records.seal import checksums

MEASURED = Path(__file__).parents[2] / "golden" / "disaggregated_small" / "raw"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A measured raw folder, sealed as benchmark does: checksums first, then run.json with them."""
    folder = shutil.copytree(MEASURED, tmp_path / "raw")
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").unlink()
    (folder / "run.json").write_text(json.dumps(run | {"checksums": checksums(folder)}))
    return folder


def test_a_checksum_is_that_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "requests.jsonl").write_text("abc")  # the first example of FIPS 180-2, appendix B
    assert checksums(tmp_path) == {"requests.jsonl": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}


def test_what_was_recorded_is_read(raw: Path) -> None:
    assert len(read_raw(raw).requests) == 158


def test_cut_requests_are_refused(raw: Path) -> None:
    """9 of 17 requests were analysed as if they were all: each line that was left was a good one."""
    lines = (raw / "requests.jsonl").read_text().splitlines(keepends=True)
    (raw / "requests.jsonl").write_text("".join(lines[:9]))
    with pytest.raises(SchemaError, match=r"requests\.jsonl: is not as it was recorded"):
        read_raw(raw)


def test_exchanged_scrapes_are_refused(raw: Path) -> None:
    before, after = raw / "metrics_before.json", raw / "metrics_after.json"
    text = before.read_text()
    before.write_text(after.read_text())
    after.write_text(text)
    with pytest.raises(SchemaError, match=r"metrics_before\.json: is not as it was recorded"):
        read_raw(raw)


def test_a_file_that_was_removed_is_missed(raw: Path) -> None:
    """Without proxy stamps a disaggregated cell would have been analysed as if it never had any."""
    (raw / "proxy.jsonl").unlink()
    with pytest.raises(SchemaError, match=r"proxy\.jsonl: is not as it was recorded: no such file"):
        read_raw(raw)


def test_what_is_kept_for_people_alone_is_not_looked_at(raw: Path) -> None:
    (raw / "notes.txt").write_text("the window was open")
    read_raw(raw)


def test_a_measurement_from_before_there_were_checksums_is_read() -> None:
    assert read_raw(MEASURED).run.checksums is None
