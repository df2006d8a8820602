"""The key of somebody else's endpoint: it is sent there, and is in no file and no line afterwards."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from workflow.conftest import copy_checkout

KEY = "sk-live-5f4dcc3b5aa765d61d83"


@contextmanager
def overheard(base_url: str) -> Iterator[tuple[str, bytearray]]:
    """Stand before an endpoint; yields the address to use in its place and all that clients send."""
    heard = bytearray()
    host, _, port = base_url.removeprefix("http://").partition(":")
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def pump(source: socket.socket, target: socket.socket, record: bool) -> None:
        try:
            while data := source.recv(65536):
                if record:
                    heard.extend(data)
                target.sendall(data)
        except OSError:
            pass  # the other side went away
        finally:
            target.close()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            upstream = socket.create_connection((host, int(port)))
            for source, target, record in ((client, upstream, True), (upstream, client, False)):
                threading.Thread(target=pump, args=(source, target, record), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_the_key_is_sent_and_left_nowhere(
    endpoint: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMDVFS_API_KEY", KEY)
    with overheard(endpoint) as (address, heard):
        checkout = copy_checkout(tmp_path_factory.mktemp("secret"), address)
        checkout.edit("config/config.yaml", "workloads:", "figures: {cells: none}\nworkloads:")
        run = checkout.snakemake("--printshellcmds")
        report = checkout.snakemake("--report", "report.html")
    assert run.returncode == 0, run.stdout + run.stderr
    assert report.returncode == 0, report.stderr
    assert f"authorization: Bearer {KEY}".lower().encode() in bytes(heard).lower()
    for process in (run, report):
        assert KEY not in process.stdout + process.stderr
    files = [path for path in checkout.folder.rglob("*") if path.is_file()]
    assert any(path.name == "run.json" for path in files)
    assert any(path.suffix == ".log" for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
