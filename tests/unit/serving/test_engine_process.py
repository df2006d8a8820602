"""The engine's process is forked from its server, which has imported everything: what is asked, done and recorded."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmdvfs.host.child import library_environment
from llmdvfs.records.spec import EngineSpec
from llmdvfs.serving.instance.engine_process import START_METHOD, start_method, start_method_seen
from llmdvfs.serving.instance.forking_server import FORKED, import_uncollected

# As vLLM does it on a CPU: the variable is overwritten while the server starts, and decides a moment later.
CHOOSES = """
import multiprocessing, os

def get_mp_context():
    return multiprocessing.get_context(os.environ["VLLM_WORKER_MULTIPROC_METHOD"])
"""
SERVER = """
import multiprocessing, os, sys
from vllm.utils.system_utils import get_mp_context

IMPORTED_BY = os.getpid()

def engine(queue):
    queue.put((IMPORTED_BY, sys.argv[1:]))

if __name__ == "__main__":
    os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    context = get_mp_context()
    queue = context.Queue()
    process = context.Process(target=engine, args=(queue,))
    process.start()
    imported_by, flags = queue.get(timeout=60)
    process.join()
    print("imported", "once" if imported_by == os.getpid() else "twice", *flags)
    print("others get", multiprocessing.get_context("spawn").get_start_method())
"""


def serve(folder: Path, *launcher: str) -> list[str]:
    """Return what a toy server says, whose engine tells which process has imported what it is made of."""
    (folder / "vllm" / "utils").mkdir(parents=True, exist_ok=True)
    (folder / "vllm" / "utils" / "system_utils.py").write_text(CHOOSES)
    (folder / "toy_server.py").write_text(SERVER)
    environment = library_environment()
    environment["PYTHONPATH"] = os.pathsep.join((str(folder), environment["PYTHONPATH"]))
    command = [sys.executable, "-m", *launcher, "toy_server", "--port", "1"]
    output = subprocess.PIPE
    done = subprocess.run(command, env=environment, check=True, stdout=output, stderr=subprocess.STDOUT, text=True)
    return done.stdout.splitlines()


def test_an_engine_that_would_be_spawned_on_a_cpu_is_forked(tmp_path: Path) -> None:
    """A start of vLLM on a CPU took 20 s, 7 of them for importing torch and vLLM once more in the engine's process."""
    assert serve(tmp_path) == ["imported twice --port 1", "others get spawn"]
    said = serve(tmp_path, "llmdvfs.serving.instance.forking_server")
    assert sorted(said) == sorted([FORKED, "imported once --port 1", "others get spawn"])
    assert start_method_seen("fork", "cpu", "\n".join(said)) == "fork"


def test_what_was_imported_is_never_looked_through_for_garbage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM looks through all of its heap where it is ready, server and engine each: 0.4 s for torch alone."""
    (tmp_path / "imported_in_full.py").write_text("MADE = [[] for _ in range(10_000)]\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        import_uncollected("imported_in_full")
        assert gc.get_freeze_count() >= 10_000
        assert gc.isenabled()
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(
    ("engine", "device", "asked"),
    [
        (EngineSpec(), "cuda", "fork"),
        (EngineSpec(tensor_parallel_size=4), "cuda", "fork"),
        (EngineSpec(), "cpu", "fork"),
        (EngineSpec(tensor_parallel_size=2), "cpu", "spawn"),
        (EngineSpec(env={START_METHOD: "spawn"}), "cuda", "spawn"),
    ],
)
def test_fork_is_asked_for_unless_vllm_or_the_study_wants_another(engine: EngineSpec, device: str, asked: str) -> None:
    assert start_method(engine, device) == asked  # type: ignore[arg-type]


def test_what_is_recorded_is_what_the_log_says() -> None:
    """The line is vLLM's (0.23.0 and 0.32.0)."""
    overridden = (
        "WARNING [system_utils.py:157] We must use the `spawn` multiprocessing start method. Overriding "
        "VLLM_WORKER_MULTIPROC_METHOD to 'spawn'. See https://docs.vllm.ai/ Reasons: CUDA is initialized\n"
    )
    assert start_method_seen("fork", "cuda", "INFO ready\n") == "fork"
    assert start_method_seen("fork", "cuda", overridden) == "spawn"
    assert start_method_seen("spawn", "cuda", "INFO ready\n") == "spawn"
    assert start_method_seen("fork", "cpu", "INFO ready\n") == "spawn"
