"""Results of two machines in one folder: everything that fits together is taken, nothing is overwritten."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from llmdvfs.__main__ import main
from llmdvfs.benchmark.merging import Merged, merge
from llmdvfs.benchmark.store import deliver, deliver_failure
from llmdvfs.records.places import RAW, RUN, measured_link, store_entry
from llmdvfs.records.seal import checksums

GOLDEN = Path(__file__).parents[2] / "golden" / "disaggregated_small" / "raw"
CELL = "single_m/load/stock/launch-{}"


def measured(results: Path, launch: int, key: str, **changes: Any) -> Path:
    """Leave a sealed measurement in a results folder, and return the cell's folder."""
    entry = store_entry(results, key)
    shutil.copytree(GOLDEN, entry)
    told = json.loads((entry / RUN).read_text()) | {"key": key} | changes
    (entry / RUN).unlink()
    told["checksums"] = checksums(entry)
    (entry / RUN).write_text(json.dumps(told))
    cell = results / "cells" / CELL.format(launch)
    deliver(results, key, cell)
    return cell


def merged(source: Path, into: Path) -> list[Merged]:
    return list(merge(source, into))


def test_launches_of_two_machines_come_into_one_folder(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    measured(ours, 1, "a" * 16)
    measured(theirs, 2, "b" * 16)
    assert merged(theirs, ours) == [Merged(CELL.format(2), is_new=True)]
    taken = ours / "cells" / CELL.format(2)
    assert measured_link(taken, "b" * 16).exists()
    for path in GOLDEN.iterdir():
        assert (taken / RAW / path.name).exists()
    assert (store_entry(theirs, "b" * 16) / RUN).exists(), "the other folder stays as it is"
    assert merged(theirs, ours) == [Merged(CELL.format(2))], "a second time changes nothing"


def test_a_cell_that_both_have_measured_stays_as_it_is(tmp_path: Path) -> None:
    """Neither is the right one: a silent choice would be one machine's result under the other's name."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    cell = measured(ours, 1, "a" * 16, started_unix_s=1.0)
    measured(theirs, 1, "a" * 16, started_unix_s=2.0)
    (found,) = merged(theirs, ours)
    assert found.conflict is not None
    assert "both folders have measured it" in found.conflict
    assert json.loads((cell / RAW / RUN).read_text())["started_unix_s"] == 1.0


def test_a_cell_of_another_configuration_stays_as_it_is(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    cell = measured(ours, 1, "a" * 16)
    measured(theirs, 1, "b" * 16)
    (found,) = merged(theirs, ours)
    assert found.conflict is not None
    assert "aaaaaaaaaaaaaaaa" in found.conflict
    assert measured_link(cell, "a" * 16).exists()
    assert not store_entry(ours, "b" * 16).exists()


def test_an_edited_measurement_is_not_taken(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    cell = measured(theirs, 1, "a" * 16)
    with (cell / RAW / "requests.jsonl").open("a") as file:
        file.write("{}\n")
    (found,) = merged(theirs, ours)
    assert found.conflict is not None
    assert "requests.jsonl: is not as it was recorded" in found.conflict
    assert not store_entry(ours, "a" * 16).exists()


def test_a_failure_is_not_taken_and_gives_way_to_a_measurement(tmp_path: Path) -> None:
    """What is missing shows as missing; what one machine failed at, the other may have measured."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    deliver_failure(ours, "a" * 16, ours / "cells" / CELL.format(1), "{}")
    deliver_failure(theirs, "b" * 16, theirs / "cells" / CELL.format(2), "{}")
    cell = measured(theirs, 1, "a" * 16)
    assert merged(theirs, ours) == [Merged(CELL.format(1), is_new=True)]
    assert (ours / "cells" / CELL.format(1) / RAW / RUN).read_bytes() == (cell / RAW / RUN).read_bytes()


def test_the_command_takes_the_rest_and_tells_every_conflict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    measured(ours, 1, "a" * 16, started_unix_s=1.0)
    measured(theirs, 1, "a" * 16, started_unix_s=2.0)
    measured(theirs, 2, "b" * 16)
    assert main(["merge-results", str(ours), str(theirs)]) == 1
    told = capsys.readouterr()
    assert "1 cell taken, 0 there already, 1 conflict" in told.out
    assert "1 of 2 cells were not taken, nothing was overwritten" in told.err
    assert "single_m/load/stock/launch-1" in told.err
    assert measured_link(ours / "cells" / CELL.format(2), "b" * 16).exists()


def test_a_folder_without_measurements_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge-results", str(tmp_path / "ours"), str(tmp_path)]) == 1
    assert "expected the results folder of a study" in capsys.readouterr().err
