"""Children import the checkout that started them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import llmdvfs
from llmdvfs.host.child import library_environment


def test_a_child_imports_this_checkout_wherever_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    environment = library_environment({"PYTHONPATH": "/elsewhere", "FURTHER": "1"})
    assert environment["FURTHER"] == "1"
    assert environment["PYTHONPATH"].split(os.pathsep)[1:] == [str(tmp_path)]
    told = subprocess.run(
        [sys.executable, "-c", "import llmdvfs; print(llmdvfs.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == llmdvfs.__file__
