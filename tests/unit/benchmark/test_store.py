import shutil
from pathlib import Path

import pytest

from llmdvfs.benchmark.store import clear_drafts, deliver, draft, entry, is_finished

KEY = "0123456789abcdef"


def measure(results: Path, text: str = "measured") -> None:
    with draft(results, KEY) as folder:
        (folder / "requests.jsonl").write_text(text)
        (folder / "run.json").write_text("{}")


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


def test_a_draft_of_a_killed_process_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "drafts" / f"{KEY}.4711").mkdir(parents=True)
    (tmp_path / "drafts" / f"{KEY}.4711" / "run.json").write_text("{}")
    clear_drafts(tmp_path, KEY)
    assert not is_finished(tmp_path, KEY)
    assert (tmp_path / "failed" / f"{KEY}.1" / "run.json").exists()


def test_removing_a_delivered_folder_loses_nothing(tmp_path: Path) -> None:
    """Snakemake removes the outputs of a job that fails or is interrupted."""
    measure(tmp_path)
    output = tmp_path / "cells" / "raw"
    deliver(tmp_path, KEY, output)
    assert (output / "requests.jsonl").samefile(entry(tmp_path, KEY) / "requests.jsonl")
    for file in output.iterdir():
        file.unlink()
    output.rmdir()
    deliver(tmp_path, KEY, output)
    assert (output / "requests.jsonl").read_text() == "measured"


def test_a_delivery_that_is_cut_short_does_not_look_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """run.json could be there before the other files, and the cell was taken for measured."""
    measure(tmp_path)
    output = tmp_path / "cells" / "raw"
    num_links = []

    def interrupted(source: str, target: str) -> None:
        num_links.append(shutil.copy2(source, target))
        if len(num_links) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("os.link", interrupted)
    with pytest.raises(KeyboardInterrupt):
        deliver(tmp_path, KEY, output)
    assert not output.exists()
    deliver(tmp_path, KEY, output)
    assert {path.name for path in output.iterdir()} == {"requests.jsonl", "run.json"}


def test_delivering_replaces_another_measurement(tmp_path: Path) -> None:
    measure(tmp_path)
    output = tmp_path / "cells" / "raw"
    output.mkdir(parents=True)
    (output / "old.json").write_text("of another key")
    deliver(tmp_path, KEY, output)
    assert sorted(file.name for file in output.iterdir()) == ["requests.jsonl", "run.json"]
