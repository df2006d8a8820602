import errno
import json
import shutil
import tempfile
from pathlib import Path

import pytest

from llmdvfs.benchmark.store import clear_drafts, deliver, deliver_failure, draft, forget, is_finished, set_aside
from llmdvfs.errors import ServerDied, in_full
from llmdvfs.records.places import measured_link, store_entry

KEY = "0123456789abcdef"


OTHER = "fedcba9876543210"


def measure(results: Path, text: str = "measured", key: str = KEY) -> None:
    with draft(results, key, {"measured": text}) as folder:
        (folder / "requests.jsonl").write_text(text)
        (folder / "run.json").write_text(json.dumps({"key": key}))


def held(cell: Path) -> list[str]:
    """What lies in a cell's folder."""
    return sorted(path.name for path in cell.iterdir())


def measure_half(results: Path, text: str) -> None:
    with draft(results, KEY) as folder:
        (folder / "requests.jsonl").write_text(text)
        (folder / "no" / "such" / "folder").touch()


def test_a_measurement_enters_the_store_whole(tmp_path: Path) -> None:
    with draft(tmp_path, KEY) as folder:
        (folder / "run.json").write_text("{}")
        assert not is_finished(tmp_path, KEY)
    assert is_finished(tmp_path, KEY)
    assert list((tmp_path / "drafts").iterdir()) == []


def test_a_failed_measurement_is_kept_aside_and_never_finished(tmp_path: Path) -> None:
    for attempt in (1, 2):
        with pytest.raises(FileNotFoundError):
            measure_half(tmp_path, f"attempt {attempt}")
    assert not is_finished(tmp_path, KEY)
    assert (tmp_path / "failed" / f"{KEY}.1" / "requests.jsonl").read_text() == "attempt 1"
    assert (tmp_path / "failed" / f"{KEY}.2" / "requests.jsonl").read_text() == "attempt 2"


def test_results_that_are_taken_away_meanwhile_are_told(tmp_path: Path) -> None:
    """The folder could not be set aside: a second error, of two tracebacks, hid the first."""

    def measure_until_it_dies() -> None:
        with draft(tmp_path / "results", KEY):
            (tmp_path / "results").rename(tmp_path / "elsewhere")
            raise ServerDied("single-0 died")

    with pytest.raises(ServerDied) as told:
        measure_until_it_dies()
    assert "single-0 died" in in_full(told.value)
    assert "somebody has moved or removed the results" in in_full(told.value)


def test_a_draft_of_a_killed_process_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "drafts" / f"{KEY}.4711").mkdir(parents=True)
    (tmp_path / "drafts" / f"{KEY}.4711" / "run.json").write_text("{}")
    clear_drafts(tmp_path, KEY)
    assert not is_finished(tmp_path, KEY)
    assert (tmp_path / "failed" / f"{KEY}.1" / "run.json").exists()


def test_a_folder_set_aside_by_hand_leaves_a_gap_and_no_collision(tmp_path: Path) -> None:
    """Numbers were counted: with `.1` removed, the third was to be called `.2`, which was there."""
    for number in (1, 2):
        (tmp_path / "draft").mkdir()
        assert set_aside(tmp_path / "draft", tmp_path / "failed", KEY).name == f"{KEY}.{number}"
    (tmp_path / "failed" / f"{KEY}.1").rmdir()
    (tmp_path / "draft").mkdir()
    assert set_aside(tmp_path / "draft", tmp_path / "failed", KEY).name == f"{KEY}.3"


def test_a_measurement_says_what_its_key_is_the_hash_of_and_is_read_only(tmp_path: Path) -> None:
    measure(tmp_path)
    identity = store_entry(tmp_path, KEY) / "identity.json"
    assert json.loads(identity.read_text()) == {"measured": "measured"}
    assert {path.stat().st_mode & 0o777 for path in store_entry(tmp_path, KEY).iterdir()} == {0o444}


def test_a_cell_shows_its_measurement_by_relative_links(tmp_path: Path) -> None:
    """A results folder may be moved, or copied to another machine."""
    results, cell = tmp_path / "results", tmp_path / "results" / "cells" / "d" / "w" / "p" / "launch-1"
    measure(results)
    deliver(results, KEY, cell)
    assert held(cell) == [f"measured-{KEY}.json", "raw"]
    results.rename(tmp_path / "moved")
    moved = tmp_path / "moved" / "cells" / "d" / "w" / "p" / "launch-1"
    assert (moved / "raw" / "requests.jsonl").read_text() == "measured"
    assert json.loads(measured_link(moved, KEY).read_text()) == {"key": KEY}


def test_removing_what_was_delivered_loses_nothing(tmp_path: Path) -> None:
    """Snakemake removes the outputs of a job that fails or is interrupted."""
    measure(tmp_path)
    cell = tmp_path / "cells" / "cell"
    deliver(tmp_path, KEY, cell)
    measured_link(cell, KEY).unlink()
    deliver(tmp_path, KEY, cell)
    assert (cell / "raw" / "requests.jsonl").read_text() == "measured"


def test_without_links_a_cell_holds_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    measure(tmp_path)
    cell = tmp_path / "cells" / "cell"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "symlink_to", refuse)
        deliver(tmp_path, KEY, cell)
        deliver(tmp_path, KEY, cell)
    assert not (cell / "raw").is_symlink()
    assert (cell / "raw" / "requests.jsonl").read_text() == "measured"
    assert json.loads(measured_link(cell, KEY).read_text()) == {"key": KEY}


def test_a_delivery_that_is_cut_short_does_not_look_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure(tmp_path)
    cell = tmp_path / "cells" / "cell"
    links: list[Path] = []
    make = Path.symlink_to

    def interrupted(link: Path, target: str) -> None:
        if links:
            raise KeyboardInterrupt
        links.append(link)
        make(link, target)

    monkeypatch.setattr(Path, "symlink_to", interrupted)
    with pytest.raises(KeyboardInterrupt):
        deliver(tmp_path, KEY, cell)
    assert not measured_link(cell, KEY).exists()


def test_what_was_made_of_another_measurement_goes_with_it(tmp_path: Path) -> None:
    """Otherwise the figures of the old measurement would stand under the new one's name until they are made again."""
    measure(tmp_path)
    measure(tmp_path, "other", OTHER)
    cell = tmp_path / "cells" / "cell"
    deliver(tmp_path, KEY, cell)
    (cell / "result.json").write_text("of the first")
    deliver(tmp_path, KEY, cell)
    assert held(cell) == [f"measured-{KEY}.json", "raw", "result.json"]
    deliver(tmp_path, OTHER, cell)
    assert held(cell) == [f"measured-{OTHER}.json", "raw"]
    assert (cell / "raw" / "requests.jsonl").read_text() == "other"
    assert is_finished(tmp_path, KEY)


def test_a_raw_folder_that_is_the_only_copy_is_set_aside(tmp_path: Path) -> None:
    measure(tmp_path)
    cell = tmp_path / "cells" / "cell"
    (cell / "raw").mkdir(parents=True)
    (cell / "raw" / "run.json").write_text(json.dumps({"key": OTHER}))
    deliver(tmp_path, KEY, cell)
    assert json.loads((tmp_path / "forgotten" / f"{OTHER}.1" / "run.json").read_text()) == {"key": OTHER}


def test_a_failure_is_shown_and_then_replaced_by_the_measurement(tmp_path: Path) -> None:
    cell = tmp_path / "cells" / "cell"
    deliver_failure(tmp_path, KEY, cell, "why\n")
    assert measured_link(cell, KEY).read_text() == "why\n"
    measure(tmp_path)
    deliver(tmp_path, KEY, cell)
    assert json.loads(measured_link(cell, KEY).read_text()) == {"key": KEY}
    assert not (cell / "raw" / "failed.json").exists()


def test_forgetting_takes_it_out_of_both_places_and_keeps_it(tmp_path: Path) -> None:
    measure(tmp_path)
    cell = tmp_path / "cells" / "cell"
    deliver(tmp_path, KEY, cell)
    forget(tmp_path, cell)
    assert held(cell) == []
    assert not is_finished(tmp_path, KEY)
    assert (tmp_path / "forgotten" / f"{KEY}.1" / "requests.jsonl").read_text() == "measured"


@pytest.mark.parametrize("content", [None, "", '{"key": "0123', "{}\n{"])
def test_a_damaged_measurement_is_none_and_the_next_one_takes_its_place(tmp_path: Path, content: str | None) -> None:
    """An entry without run.json: every run measured, could not rename its draft onto it, and threw it away."""
    entry = store_entry(tmp_path, KEY)
    entry.mkdir(parents=True)
    (entry / "requests.jsonl").write_text("what is left")
    if content is not None:
        (entry / "run.json").write_text(content)
    assert not is_finished(tmp_path, KEY)
    measure(tmp_path)
    assert is_finished(tmp_path, KEY)
    assert (entry / "requests.jsonl").read_text() == "measured"
    assert (tmp_path / "forgotten" / f"{KEY}.1" / "requests.jsonl").read_text() == "what is left"


def test_a_store_on_another_disk(tmp_path: Path) -> None:
    """EXDEV came after each measurement, which was then thrown away."""
    disk = Path("/dev/shm")
    if not disk.is_dir() or disk.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second disk here")
    with tempfile.TemporaryDirectory(dir=disk) as elsewhere:
        (tmp_path / "store").symlink_to(elsewhere)
        measure(tmp_path)
        assert is_finished(tmp_path, KEY)
        assert [path.name for path in Path(elsewhere).iterdir()] == [KEY]
        assert list((tmp_path / "drafts").iterdir()) == []
        cell = tmp_path / "cells" / "cell"
        deliver(tmp_path, KEY, cell)
        forget(tmp_path, cell)
        assert (tmp_path / "forgotten" / f"{KEY}.1" / "requests.jsonl").read_text() == "measured"
        assert list(Path(elsewhere).iterdir()) == []


def test_a_move_between_disks_that_is_cut_short_looks_like_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def of_another_disk(path: Path, target: Path) -> Path:
        if path.parent.name == "drafts" and target.parent.name == "store":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", of_another_disk)

    def interrupted(folder: Path, part: Path) -> None:
        part.mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copytree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            measure(tmp_path)
    assert not is_finished(tmp_path, KEY)
    measure(tmp_path)
    assert is_finished(tmp_path, KEY)
