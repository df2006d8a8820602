"""Where a record is written: a whole file or nothing, but never in the place of a pipe or a device."""

import os
import threading
from pathlib import Path

import pytest

from llmdvfs.records.store import whole_file, write_text


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    """`--output` of a named pipe left a plain file in its place, and whoever read from it waited for ever."""
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    write_text(pipe, "{}\n")
    reader.join(timeout=10)
    assert (read, pipe.is_fifo()) == (["{}\n"], True)


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_an_open_file_is_written_to(name: str, tmp_path: Path) -> None:
    """`--output /dev/stdout > x.json`: as root the device itself was replaced, for everybody on the machine."""
    with (tmp_path / "x.json").open("w") as file:
        write_text(Path(name.format(file.fileno())), "{}\n")
    assert (tmp_path / "x.json").read_text() == "{}\n"


def test_a_device_that_is_full_is_named(tmp_path: Path) -> None:
    full = tmp_path / "full"  # a link, so that no fault of ours can take the device itself away
    full.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as failed:
        write_text(full, "told")
    assert failed.value.filename == str(full)
    assert full.is_symlink()


def test_a_link_is_replaced_and_what_it_leads_to_is_left(tmp_path: Path) -> None:
    """A results folder may be made of links into an archive, whose files are not ours to write."""
    archived = tmp_path / "archived.json"
    archived.write_text("old")
    (tmp_path / "result.json").symlink_to(archived)
    write_text(tmp_path / "result.json", "new")
    assert (archived.read_text(), (tmp_path / "result.json").read_text()) == ("old", "new")


def test_who_is_stopped_while_writing_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    def half() -> None:
        with whole_file(tmp_path / "a.png") as file:
            file.write(b"half")
            file.flush()
            raise KeyboardInterrupt

    (tmp_path / "a.png").write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        half()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"before")]
