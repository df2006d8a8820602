"""What scripted servers cannot show: vLLM's own processes die where they are killed, and nothing of them is left."""

import importlib.util
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.place import Machine, Place
from real.conftest import BEHIND_OTHERS

from llmdvfs.serving.instance.leftovers import KEEPERS

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed in this Python"),
]

START_LIMIT_S = 240.0
END_LIMIT_S = 60.0
LEFT_LIMIT_S = 10.0
ENGINE = {
    "dtype": "bfloat16",
    "enforce_eager": True,
    "max_model_len": 4096,
    "max_num_seqs": 16,
    "block_size": 32,
    "num_gpu_blocks_override": 512,
    "cpu_kv_cache_gib": 1,
    "omp_num_threads": 1,
    "env": {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"},
}


@pytest.fixture
def place(machine: Machine) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder:  # a short path: vLLM's sockets lie in it
        made = Place(Path(folder) / "place", machine)
        made.enter = BEHIND_OTHERS
        made.study |= {"device": "cpu", "operating_points": {"stock": {}}, "serving": {"engine": ENGINE}}
        yield made
        made.close()


def kill(place: Place, *victims: str) -> None:
    for pid in [place.found(victim, START_LIMIT_S) for victim in victims]:
        os.kill(pid, signal.SIGKILL)


def wait_for_load(place: Place) -> None:
    def is_loaded() -> bool:
        return any(place.results.glob("drafts/*/journal.bin"))

    assert place.run.meets(is_loaded, START_LIMIT_S), place.run.output


def test_api_server_engine_job_and_guard_of_vllm(place: Place) -> None:
    run = place.start("job")
    wait_for_load(place)
    engine = place.found("engine", START_LIMIT_S)
    assert KEEPERS.encode() in Path(f"/proc/{engine}/environ").read_bytes()  # the next run could tell whose it was
    kill(place, "engine")
    assert run.meets(lambda: "single-0 died under load: " in run.output, END_LIMIT_S), run.output
    assert run.meets(lambda: run.find("engine") not in (None, engine), START_LIMIT_S), run.output
    kill(place, "API server")  # of the second start, which is not ready yet
    assert run.wait(END_LIMIT_S) == 1
    assert "single-0 did not start: ended by SIGKILL" in run.output
    assert run.living() == {}

    run = place.start("job")
    wait_for_load(place)
    kill(place, "benchmark job", "guard")
    assert run.wait_for(lambda: not run.living(), LEFT_LIMIT_S), run.living()
    assert place.finished() == {}
