"""The one door: what comes out of it when something is wrong."""

import errno
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmdvfs.__main__ import main
from llmdvfs.errors import DiskError, ServerNotReady, told_of

LIBRARY = Path(__file__).parents[2] / "workflow"


def test_a_place_that_cannot_be_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file where a folder should be: a traceback of nine lines ended with FileExistsError."""
    (tmp_path / "file").touch()
    assert main(["config-docs", "--output", str(tmp_path / "file" / "README.md")]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"llmdvfs config-docs: {tmp_path / 'file'}")
    assert len(told.splitlines()) == 1


def test_a_missing_right_is_no_full_disk() -> None:
    """`cannot be written: Permission denied; free some space`."""
    told = str(DiskError.of(PermissionError(errno.EACCES, "Permission denied", "results/run.json")))
    assert told.startswith("results/run.json cannot be written: Permission denied; make it writable for this user")


def test_a_full_disk_is_told_with_the_file_that_was_meant(tmp_path: Path) -> None:
    """`a file cannot be written`: the draft's handle has no name."""
    mount = f"mount -t tmpfs -o size=8k tmpfs {tmp_path} || exit 77"
    script = f"{mount}; exec {sys.executable} -m llmdvfs config-docs --output {tmp_path}/README.md"
    run = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        env=os.environ | {"PYTHONPATH": str(LIBRARY)},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode == 77 or "unshare" in run.stderr:
        pytest.skip(f"no mount namespace here: {run.stderr.strip()}")
    assert run.returncode == 1, run.stderr
    assert f"{tmp_path}/README.md cannot be written: No space left on device; free some space" in run.stderr


def test_a_name_of_megabytes_is_told_in_a_line() -> None:
    """A damaged list of cells: its one line was opened as a path, and the message was all of it."""
    told = told_of(OSError(errno.ENAMETOOLONG, "File name too long", "x" * 8_000_000))
    assert told == f"{'x' * 300}...: File name too long; put it right, and run again"


def test_what_an_endpoint_says_does_not_steer_the_terminal() -> None:
    """An error body with escape sequences cleared the screen, and wrote `all is well` on it."""
    told = str(ServerNotReady("status 500: \x1b[2Jall is well\x07\r\nsee\tthe log"))
    assert told == r"status 500: \x1b[2Jall is well\x07\r" + "\nsee\tthe log"


def test_a_reader_who_has_gone_is_no_fault() -> None:
    """`doctor --json | head -1` ended with BrokenPipeError, and a traceback."""
    command = [sys.executable, "-m", "llmdvfs", "doctor", "--json", "--config", "launches=no"]
    with subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(LIBRARY)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        assert run.stderr.read() == b""
    assert run.returncode == 128 + 13


def test_ctrl_c_while_a_command_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a second of imports: whoever pressed it then read eighteen lines of them."""

    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "llmdvfs doctor: interrupted\n"


def shown(*, environment: dict[str, str], output: str = "") -> subprocess.CompletedProcess[str]:
    """Show a measured cell by the command; output: what the shell does with it."""
    cell = Path(__file__).parents[1] / "golden" / "disaggregated_small" / "result.json"
    return subprocess.run(
        ["sh", "-c", f'"$@" {output}', "sh", sys.executable, "-m", "llmdvfs", "show", str(cell)],
        env=os.environ | {"PYTHONPATH": str(LIBRARY)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_terminal_without_the_characters_shows_others() -> None:
    """`show` ended at the first `±` of a machine whose locale is C, and blamed the file."""
    run = shown(environment={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
    assert run.returncode == 0, run.stderr
    assert "?" in run.stdout


def test_a_closed_output_is_no_fault_of_the_input() -> None:
    assert shown(environment={}, output=">&-").returncode == 0
