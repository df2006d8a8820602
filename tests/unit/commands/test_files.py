"""Files on the command line that no command may write."""

import shutil
from pathlib import Path

import pytest

from llmdvfs.__main__ import main

MEASURED = Path(__file__).parents[2] / "golden" / "disaggregated_small" / "raw"


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    """A cell's folder, whose `raw` is a link into a store, as benchmark leaves it."""
    shutil.copytree(MEASURED, tmp_path / "store" / "key")
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / "raw").symlink_to(tmp_path / "store" / "key")
    return tmp_path / "cell"


@pytest.mark.parametrize("name", ["requests.jsonl", "run.json", "mine.json"])
@pytest.mark.parametrize(
    "command",
    ["monitor --duration 1 --json", "monitor --duration 1 --csv", "compare a b --output", "export raw --output"],
)
def test_no_command_writes_into_a_measurement(
    command: str, name: str, cell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`export RAW --output RAW/requests.jsonl` replaced the requests by their export: the measurement was lost."""
    before = {path.name: path.read_bytes() for path in (cell / "raw").iterdir()}
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), str(cell / "raw" / name)])
    assert ended.value.code == 2
    assert "never written again; name a file elsewhere" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (cell / "raw").iterdir()} == before


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_folder_is_no_file_to_write(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--output ""` was told as `.: Device or resource busy; put it right`."""
    with pytest.raises(SystemExit):
        main(["compare", "a", "b", "--output", name])
    assert "is a folder; expected the name of a file to write" in capsys.readouterr().err


def test_one_file_for_two_formats_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The CSV was written over the JSON, and the exit code was 0."""
    file = str(tmp_path / "out")
    assert main(["monitor", "--duration", "1", "--json", file, "--csv", file]) == 1
    assert "one file for both; expected two names" in capsys.readouterr().err
