"""Lock files in a folder of everybody: whatever lies there neither hangs, nor is cut, nor is taken for a lock."""

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from llmdvfs.errors import LockError
from llmdvfs.host.lock import LOCK_FOLDER_VARIABLE, holder_of, lock_folder, open_lock, take_lock

HOLD = """
import sys
from pathlib import Path
from llmdvfs.host.lock import lock_folder, take_lock
print(take_lock(lock_folder() / "llmdvfs-measuring.lock") is not None, flush=True)
sys.stdin.read()
"""
NOBODY = 65534


def hold(**variables: str) -> subprocess.Popen[str]:
    """Start a process that tries to hold the measuring lock, and says whether it does."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables,
    )


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_runs_with_temporary_folders_of_their_own_exclude_each_other(tmp_path: Path) -> None:
    """Locks lay in TMPDIR: two users, or two jobs of a scheduler, measured on one host at the same time."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with hold(TMPDIR=str(tmp_path / "one")) as first:
        assert answer(first) == "True"
        with hold(TMPDIR=str(tmp_path / "two")) as second:
            assert answer(second) == "False"
            second.communicate()
        first.communicate()


def test_the_place_is_everybodys_unless_one_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv(LOCK_FOLDER_VARIABLE)
    assert lock_folder() == Path("/tmp")
    monkeypatch.setenv(LOCK_FOLDER_VARIABLE, str(tmp_path))
    assert lock_folder() == tmp_path
    monkeypatch.setenv(LOCK_FOLDER_VARIABLE, str(tmp_path / "missing"))
    with pytest.raises(LockError, match="missing is not there"):
        lock_folder()


def test_one_holds_it_and_the_next_hears_who(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    fd = take_lock(path)
    assert fd is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o666  # whatever the umask: others lock it, too
    assert take_lock(path) is None
    assert holder_of(path) == f"process {os.getpid()}"
    os.close(fd)
    again = take_lock(path)
    assert again is not None
    os.close(again)


def link_to_a_file(path: Path) -> None:
    path.with_suffix(".precious").write_text("precious")
    path.symlink_to(path.with_suffix(".precious"))


def second_name_of_a_file(path: Path) -> None:
    path.with_suffix(".precious").write_text("precious")
    path.hardlink_to(path.with_suffix(".precious"))


def dangling_link(path: Path) -> None:
    path.symlink_to(path.with_suffix(".made"))


def socket_file(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    "make", [link_to_a_file, second_name_of_a_file, dangling_link, os.mkfifo, os.mkdir, socket_file]
)
def test_what_is_no_lock_is_refused_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    """A pipe made every run hang, a link had the file behind it cut, a missing right was "free some space"."""
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    path = Path("a.lock")
    make(path)
    with pytest.raises(LockError, match=r"a\.lock cannot be used as a lock: .*remove it, or name another folder"):
        take_lock(path)
    assert holder_of(path) == "another run"
    assert not Path("a.made").exists()
    if Path("a.precious").exists():
        assert Path("a.precious").read_text() == "precious"


def test_a_lock_that_somebody_holds_is_not_cut(tmp_path: Path) -> None:
    """Opening it with "w" emptied the file before it was known whether the lock could be had."""
    path = tmp_path / "a.lock"
    fd = take_lock(path)
    assert fd is not None
    assert take_lock(path) is None
    assert path.read_text() == str(os.getpid())
    os.close(fd)


def test_a_lock_that_was_removed_meanwhile_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cleaner of /tmp removes the file between open and flock: two runs would hold two files of one name."""
    path, opened = tmp_path / "a.lock", []

    def open_and_lose(of: Path) -> int:
        fd = open_lock(of)
        if not opened:
            of.unlink()
        opened.append(fd)
        return fd

    monkeypatch.setattr("llmdvfs.host.lock.open_lock", open_and_lose)
    fd = take_lock(path)
    assert fd is not None
    assert os.fstat(fd).st_ino == path.stat().st_ino
    assert len(opened) == 2
    os.close(fd)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
@pytest.mark.parametrize(("mode", "taken"), [(0o644, True), (0o600, False)])
def test_another_users_file_is_locked_where_it_may_be_read(tmp_path: Path, mode: int, taken: bool) -> None:
    """flock asks for no right to write; a file that cannot even be read is told as such."""
    path = tmp_path / "a.lock"
    path.touch()
    path.chmod(mode)
    own = [folder for folder in (tmp_path, *tmp_path.parents) if Path(tempfile.gettempdir()) in folder.parents]
    for folder in own:
        folder.chmod(0o755)
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            os._exit(0 if take_lock(path) is not None else 1)
        except LockError as error:
            os._exit(2 if "Permission denied" in str(error) and "space" not in str(error) else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (0 if taken else 2)
