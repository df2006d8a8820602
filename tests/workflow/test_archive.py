"""Measurements put away on object storage, and taken out of it again: Snakemake's own storage plugin, a local S3."""

import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from workflow.conftest import Checkout

boto3 = pytest.importorskip("boto3", reason="no boto3, moto and snakemake-storage-plugin-s3")
pytest.importorskip("moto", reason="no moto: no local S3 server")
pytest.importorskip("snakemake_storage_plugin_s3", reason="no snakemake-storage-plugin-s3")

KEYS = {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "any", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "any"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The URL of an S3 server with an empty bucket, `study`."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (tmp_path / "s3.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            assert time.monotonic() < deadline, (tmp_path / "s3.log").read_text()
            time.sleep(0.1)
        url = f"http://127.0.0.1:{port}"
        client(url).create_bucket(Bucket="study")
        yield url
    finally:
        server.terminate()
        server.wait()


def answers(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def client(url: str) -> "boto3.client":
    return boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
    )


def objects(url: str) -> list[str]:
    return [item["Key"] for item in client(url).list_objects_v2(Bucket="study").get("Contents", [])]


def test_a_launch_goes_to_object_storage_once_and_comes_back_whole(finished: Checkout, s3: str, tmp_path: Path) -> None:
    """One tar for the launch's two cells; the second run has nothing to do; unpacked, `merge-results` takes both."""
    command = ["archived", "--config", "archive=s3://study/mine", "--storage-s3-endpoint-url", s3]
    first = finished.snakemake(*command)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "starting servers" not in first.stdout + first.stderr  # nothing is measured for it
    (name,) = objects(s3)
    assert name.startswith("mine/external_tiny.launch-1.")
    again = finished.snakemake(*command)
    assert "Nothing to be done" in again.stdout + again.stderr

    client(s3).download_file("study", name, str(tmp_path / "launch.tar"))
    with tarfile.open(tmp_path / "launch.tar") as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    merged = finished.command("merge-results", str(tmp_path / "into"), str(tmp_path / "unpacked"))
    assert merged.stdout.splitlines()[0].endswith("2 cells taken, 0 there already, 0 conflicts"), merged.stderr
    for cell in ("first", "second"):
        raw = Path("cells", "external_tiny", cell, "stock", "launch-1", "raw", "requests.jsonl")
        assert (tmp_path / "into" / raw).read_bytes() == (finished.folder / "results" / raw).read_bytes()


def test_storage_in_place_of_the_results_folder_is_refused_before_anything_is_measured(
    finished: Checkout, s3: str
) -> None:
    """Snakemake had every launch measured, and then told that its outputs were missing."""
    place = ["--default-storage-provider", "s3", "--default-storage-prefix", "s3://study"]
    run = finished.snakemake("-n", *place, "--storage-s3-endpoint-url", s3)
    assert run.returncode == 1
    assert "llm-dvfs: --default-storage-provider s3: measurements lie in a store" in run.stdout + run.stderr
    assert objects(s3) == []
