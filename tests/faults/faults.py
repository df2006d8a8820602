"""What fails: each a block that begins with the fault and ends with its repair, before the next run."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from faults.place import Place

from llmdvfs.serving.lifetime import is_alive

Block = Callable[[Place], AbstractContextManager[None]]

FOUND_LIMIT_S = 180.0
WRONG_FLAG = "api_server.py: error: unrecognized arguments: --no-such-flag"
OUT_OF_MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
LISTEN = """
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
time.sleep(600)
"""


def kill(*victims: str) -> Block:
    """SIGKILL, all at once."""

    @contextmanager
    def block(place: Place) -> Iterator[None]:
        pids = [place.found(victim, FOUND_LIMIT_S) for victim in victims]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        yield

    return block


def send(number: signal.Signals, victim: str) -> Block:
    @contextmanager
    def block(place: Place) -> Iterator[None]:
        os.kill(place.found(victim, FOUND_LIMIT_S), number)
        yield

    return block


@contextmanager
def press_ctrl_c(place: Place) -> Iterator[None]:
    os.killpg(place.run.process.pid, signal.SIGINT)
    yield


@contextmanager
def close_terminal(place: Place) -> Iterator[None]:
    place.close_terminal()
    yield


def servers_start(**how: Any) -> Block:
    """The servers of this run start like this (fakes/vllm_server.py)."""

    @contextmanager
    def block(place: Place) -> Iterator[None]:
        place.servers_start(**how)
        yield

    return block


def servers_now(**how: Any) -> Block:
    """The servers are like this from now on; those of the next start are sound."""

    @contextmanager
    def block(place: Place) -> Iterator[None]:
        place.servers_now(**how)
        yield

    return block


@contextmanager
def start_slowly(place: Place) -> Iterator[None]:
    place.servers_start(ready_after_s=600)
    place.serving["startup_timeout_s"] = 1
    yield
    del place.serving["startup_timeout_s"]


@contextmanager
def take_port(place: Place) -> Iterator[None]:
    """Let a stranger have the proxy's port; no harm must come to it."""
    with subprocess.Popen([sys.executable, "-c", LISTEN], stdout=subprocess.PIPE, text=True) as stranger:
        assert stranger.stdout is not None
        place.serving["proxy_port"] = int(stranger.stdout.readline())
        yield
        assert is_alive(stranger.pid)
        stranger.kill()
    del place.serving["proxy_port"]


@contextmanager
def use_gpus(place: Place) -> Iterator[None]:
    for gpu in range(2):
        place.gpus.set_processes(gpu, {os.getpid(): 2**30})
    yield
    for gpu in range(2):
        place.gpus.set_processes(gpu, {})


@contextmanager
def lose_gpu(place: Place) -> Iterator[None]:
    place.gpus.lose_gpu(0)
    yield
    place.gpus.find_gpu(0)


@contextmanager
def remove_model(place: Place) -> Iterator[None]:
    assert place.own_model is not None
    aside = place.own_model.rename(place.folder / "aside")
    yield
    aside.rename(place.own_model)


@contextmanager
def fill_disk(place: Place) -> Iterator[None]:
    filler = place.results / "filler"
    with filler.open("wb", buffering=0) as file:
        size = 2**20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    yield
    filler.unlink()


@contextmanager
def forbid_writing(place: Place) -> Iterator[None]:
    place.remount("ro")
    yield
    place.remount("rw")


@contextmanager
def set_wall_clock(place: Place) -> Iterator[None]:
    (place.folder / "clock-jump").touch()
    yield


@dataclass(frozen=True)
class Fault:
    """A fault, and the run that can show it."""

    block: Block
    through: str = "job"
    """`snakemake` where that adds something to its benchmark job alone; `terminal`: the same with a terminal."""
    architecture: str = "single"
    needs: str = ""
    """`disk`: results on a disk of their own; `model`: a model that no other row uses; `calibration`: of the client."""


FAULTS: dict[str, Fault] = {
    "SIGKILL of snakemake": Fault(kill("snakemake"), "snakemake"),
    "SIGKILL of the benchmark job": Fault(kill("benchmark job")),
    "SIGKILL of the guard": Fault(kill("guard")),
    "SIGKILL of job and guard": Fault(kill("benchmark job", "guard")),
    "SIGKILL of the API server": Fault(kill("API server")),
    "SIGKILL of a server behind a proxy": Fault(kill("API server"), architecture="replicated-2"),
    "SIGKILL of the engine": Fault(kill("engine")),
    "SIGKILL of the proxy": Fault(kill("proxy"), architecture="replicated-2"),
    "SIGKILL of the sampler": Fault(kill("sampler")),
    "SIGKILL of the load generator": Fault(kill("load generator")),
    "SIGKILL of the clock watchdog": Fault(kill("clock watchdog")),
    "SIGKILL of the mock server": Fault(kill("mock server"), needs="calibration"),
    "Ctrl-C": Fault(press_ctrl_c, "snakemake"),
    "SIGTERM to snakemake": Fault(send(signal.SIGTERM, "snakemake"), "snakemake"),
    "SIGTERM to the benchmark job": Fault(send(signal.SIGTERM, "benchmark job")),
    "terminal closed": Fault(close_terminal, "terminal"),
    "server hangs": Fault(servers_now(hangs=True)),
    "server answers 500": Fault(servers_now(refuses=True)),
    "server answers 500 from its start": Fault(servers_start(refuses=True)),
    "server runs out of GPU memory": Fault(servers_now(says=OUT_OF_MEMORY, exits=1)),
    "too little GPU memory to start": Fault(servers_start(says=OUT_OF_MEMORY, exits=1)),
    "wrong engine flag": Fault(servers_start(says=WRONG_FLAG, exits=2)),
    "server starts too slowly": Fault(start_slowly),
    "server ignores SIGTERM": Fault(servers_start(stubborn=True)),
    "proxy port taken": Fault(take_port, "snakemake", "replicated-2"),
    "proxy port taken meanwhile": Fault(take_port, architecture="replicated-2"),
    "GPUs in use by others": Fault(use_gpus),
    "GPU lost": Fault(lose_gpu),
    "model folder removed": Fault(remove_model, "snakemake", needs="model"),
    "disk full": Fault(fill_disk, needs="disk"),
    "results not writable": Fault(forbid_writing, "snakemake", needs="disk"),
    "results not writable any more": Fault(forbid_writing, needs="disk"),
    "wall clock set forward": Fault(set_wall_clock),
}
