"""Raw files are evidence: what was edited after the measurement is not analysed."""

import json
import shutil
from pathlib import Path

import pytest

from llmdvfs.__main__ import main
from llmdvfs.errors import SchemaError
from llmdvfs.records.raw import read_raw
from llmdvfs.records.seal import checksums

MEASURED = Path(__file__).parents[2] / "golden" / "disaggregated_small" / "raw"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A measured raw folder, sealed as benchmark does: checksums first, then run.json with them."""
    folder = shutil.copytree(MEASURED, tmp_path / "raw")
    seal(folder)
    return folder


def seal(folder: Path) -> None:
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").unlink()
    (folder / "run.json").write_text(json.dumps(run | {"checksums": checksums(folder)}))


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


def test_readings_of_a_sweeps_idle_windows_are_sealed_too(raw: Path) -> None:
    """They were read beside the others, and not looked at: another idle power passed for the measured one."""
    (raw / "idle_telemetry.jsonl").write_text((raw / "telemetry.jsonl").read_text())
    with pytest.raises(SchemaError, match=r"idle_telemetry\.jsonl: is not as it was recorded"):
        read_raw(raw)


@pytest.mark.parametrize("command", ["lens", "export"])
@pytest.mark.parametrize("name", ["journal.bin", "load_spec.json"])
def test_the_journal_is_shown_and_exported_only_as_it_was_recorded(
    raw: Path, command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A journal that was cut between two requests is a sound one of fewer: its percentiles looked like any others."""
    for file in ("journal.bin", "load_spec.json"):
        (raw / file).write_text("as it was recorded")
    seal(raw)
    (raw / name).write_text("edited")
    more = ["--output", str(raw.parent / "export.json")] if command == "export" else []
    assert main([command, str(raw), *more]) == 1
    assert f"{name}: is not as it was recorded: SHA-256" in capsys.readouterr().err


def test_what_is_kept_for_people_alone_is_not_looked_at(raw: Path) -> None:
    (raw / "notes.txt").write_text("the window was open")
    read_raw(raw)


def test_a_measurement_from_before_there_were_checksums_is_read() -> None:
    assert read_raw(MEASURED).run.checksums is None
