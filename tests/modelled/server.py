"""A vLLM server that is none, on a GPU that is none: tokens and power from one model. MODELLED.

vLLM's command line is understood as far as a port, a budget of tokens and chunked prefill. The fake GPU's lock and
limit are read at every slice of a step, at most 20 ms long; the fake GPU is told the slice's power and clock.
Steps follow each other on the model's own time: what the host is late with does not add up.

    MODELLED_SEED=3 LLMDVFS_FAKE_NVML=... LD_LIBRARY_PATH=... python server.py --port 8000
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from time import monotonic_ns
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests")]

import numpy as np  # noqa: E402
from fakes.nvml import FakeNvml  # noqa: E402
from fakes.vllm_server import METRICS, plain, start_engine  # noqa: E402

from llmdvfs.load.own_error.mock_server import MockServer  # noqa: E402
from modelled.engine import Part, Step, next_step  # noqa: E402
from modelled.gpu import Instant, Limiter, at_work, idle  # noqa: E402
from modelled.truths import HIGH_MHZ, prefill_of  # noqa: E402

NS_PER_S = 1_000_000_000
SLICE_S = 0.02
IDLE_SLICE_S = 0.05
VERSIONS = '{"vllm": "0.32.0", "torch": "2.13.0", "python": "3.11.0"}'
SEED = "MODELLED_SEED"


def python_with_modelled_vllm(folder: Path) -> str:
    """Write a "Python" whose vLLM is this into a folder, and return its path.

    A server that waits is a real one: what it imports, and runs when it is told to, is a module that runs this file.
    """
    package = folder / "vllm-of-python" / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True, exist_ok=True)
    for parent in (package, *package.parents[:2]):
        (parent / "__init__.py").touch()
    (package / "api_server.py").write_text(f"""import runpy
if __name__ == "__main__":
    runpy.run_path({__file__!r}, run_name="__main__")
""")
    script = folder / "python"
    script.write_text(f"""#!/bin/sh
[ "$1" != -c ] || exec echo '{VERSIONS}'
case "$2" in *.waiting_server) PYTHONPATH="{package.parents[2]}:$PYTHONPATH" exec {sys.executable} "$@";; esac
exec {sys.executable} {__file__} "$@"
""")
    script.chmod(0o755)
    return str(script)


class ModelledServer(MockServer):
    """The API server and its engine in one; `gpu`: which of the fake ones it computes on."""

    def __init__(self, port: int, gpus: FakeNvml, gpu: int, seed: int, budget: int, *, chunked: bool) -> None:
        super().__init__(ttft_s=0.0, gap_s=1.0, port=port)
        self._gpus, self._gpu, self._seed, self._budget, self._chunked = gpus, gpu, seed, budget, chunked
        self._prompt_left: dict[int, int] = {}  # by id of the stream: tokens that are still to be taken
        self._limiter = Limiter()

    def serve(self) -> None:
        end_ns = monotonic_ns()
        step: Step | None = None
        parts: list[tuple[Part, float]] = []  # with the share of each that is still to do
        while not self.stop:
            for fd, events in self._epoll.poll(max((end_ns - monotonic_ns()) / NS_PER_S, 0.0)):
                self._handle(fd, events)
            if step is None and self._running:
                step = self._next_step()
                parts = [(part, 1.0) for part in step.parts]
                end_ns = min(end_ns, monotonic_ns())  # an idle slice ends where work comes
                end_ns = max(end_ns, monotonic_ns() - round(SLICE_S * NS_PER_S))
            if monotonic_ns() < end_ns:
                continue
            if step is not None and not parts:
                self._finish(step)
                step = None
                if self._running:
                    step = self._next_step()
                    parts = [(part, 1.0) for part in step.parts]
            if step is None:
                end_ns = self._idle(monotonic_ns())
            else:
                end_ns, share = self._work(end_ns, *parts[0])
                parts = [(parts[0][0], share), *parts[1:]] if share > 0 else parts[1:]
        self._idle(monotonic_ns())

    def _next_step(self) -> Step:
        waiting = [left for stream in self._running if (left := self._prompt_left[id(stream)]) > 0]
        num_running = len(self._running) - len(waiting)
        return next_step(self._seed, waiting, num_running, self._budget, chunked=self._chunked)

    def _finish(self, step: Step) -> None:
        """Give a token to each request that the step decoded, and to those whose prompt is taken now."""
        waiting = [stream for stream in self._running if self._prompt_left[id(stream)] > 0]
        given = [stream for stream in self._running if self._prompt_left[id(stream)] == 0] if step.decodes else []
        for stream, tokens in zip(waiting, step.taken, strict=False):  # a client may have gone meanwhile
            self._prompt_left[id(stream)] = max(self._prompt_left[id(stream)] - tokens, 0)
            if self._prompt_left[id(stream)] == 0:
                given.append(stream)
        self._give(given)
        self.log.clear()
        running = {id(stream) for stream in self._running}
        self._prompt_left = {key: left for key, left in self._prompt_left.items() if key in running}

    def _work(self, begin_ns: int, part: Part, share: float) -> tuple[int, float]:
        """Do a slice of a part; return when it ends and the share of the part that is left."""
        asked_mhz, limit_w = self._asked()
        now = at_work(part.truth, begin_ns / NS_PER_S, asked_mhz, limit_w, self._temperature_c(begin_ns), self._limiter)
        self._tell(begin_ns, now, is_busy=True)
        left_s = share * part.unit_s / now.speed
        if left_s <= SLICE_S:
            return begin_ns + round(left_s * NS_PER_S), 0.0
        return begin_ns + round(SLICE_S * NS_PER_S), share * (1 - SLICE_S / left_s)

    def _idle(self, begin_ns: int) -> int:
        asked_mhz, _ = self._asked()
        temperature_c = self._temperature_c(begin_ns)
        now = idle(prefill_of(self._seed), begin_ns / NS_PER_S, asked_mhz, temperature_c, self._limiter)
        self._tell(begin_ns, now, is_busy=False)
        return begin_ns + round(IDLE_SLICE_S * NS_PER_S)

    def _asked(self) -> tuple[float, float]:
        lock_mhz, _, limit_w = self._gpus.setting(self._gpu)
        return lock_mhz or float(HIGH_MHZ), limit_w

    def _temperature_c(self, t_ns: int) -> float:
        return float(self._gpus.poll(self._gpu, "temperature", np.array([t_ns]))[0])

    def _tell(self, begin_ns: int, now: Instant, *, is_busy: bool) -> None:
        self._gpus.drive(self._gpu, begin_ns, now.power_w, now.clock_mhz, is_busy=is_busy, is_capped=now.is_capped)

    def _answer(self, connection: Any, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /metrics"):
            self._send(connection, plain(b"200 OK", METRICS))
            return
        num_before = len(self._running)
        super()._answer(connection, head, body)
        for stream in self._running[num_before:]:
            self._prompt_left[id(stream)] = stream.num_prompt_tokens


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--max-num-batched-tokens", type=int, default=8192)
    parser.add_argument("--enable-chunked-prefill", action=argparse.BooleanOptionalAction, default=True)
    options, _ = parser.parse_known_args()
    print("MODELLED: no vLLM, no GPU", flush=True)
    state = Path(os.environ["LLMDVFS_FAKE_NVML"])
    library = Path(os.environ["LD_LIBRARY_PATH"].split(":")[0]) / "libnvidia-ml.so.1"
    gpu = int(os.environ.get("CUDA_VISIBLE_DEVICES", "0"))
    gpus = FakeNvml.joined(library, state, num_gpus=gpu + 1)
    server = ModelledServer(
        options.port,
        gpus,
        gpu,
        int(os.environ[SEED]),
        options.max_num_batched_tokens,
        chunked=options.enable_chunked_prefill,
    )

    def end(number: int, frame: object) -> None:
        server.stop = True

    signal.signal(signal.SIGTERM, end)
    engine = start_engine()
    try:
        server.serve()
    finally:
        engine.terminate()
        engine.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
