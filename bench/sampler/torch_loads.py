"""Loads for one GPU: reads lines `NAME SECONDS`, runs each, answers each with a line of JSON.

    matmul       compute: bf16 products of 8192 x 8192 matrices
    copy         memory: copies within the device's memory
    step         a decode step of batch 8: 16 GB of weights are read once
    square-P     matmul for half of P seconds, nothing for the other half
    idle         nothing

Nothing is set on the GPU. The answer holds `begin_ns` and `end_ns` (CLOCK_MONOTONIC) and `iteration_s`, one a
repetition that ended with the GPU idle. `--sleep` in place of kernels tries the protocol on a machine without a GPU.
"""

import json
import sys
import time
from collections.abc import Callable

Work = Callable[[], None]
MATMUL_SIZE, COPY_BYTES = 8192, 4 << 30
NUM_LAYERS, HIDDEN_SIZE, LAYER_SIZE, BATCH = 32, 4096, 65536, 8  # 32 x 0.5 GB in bf16


def torch_work() -> dict[str, Work]:
    """Name -> one repetition of a load, which returns when the GPU has done it."""
    import torch

    options = {"device": "cuda", "dtype": torch.bfloat16}
    square = torch.randn(MATMUL_SIZE, MATMUL_SIZE, **options)
    product = torch.empty_like(square)
    source = torch.empty(COPY_BYTES, device="cuda", dtype=torch.uint8)
    target = torch.empty_like(source)
    weights = [torch.randn(HIDDEN_SIZE, LAYER_SIZE, **options) for _ in range(NUM_LAYERS)]
    batch = torch.randn(BATCH, HIDDEN_SIZE, **options)

    def matmul() -> None:
        for _ in range(5):
            torch.matmul(square, square, out=product)
        torch.cuda.synchronize()

    def copy() -> None:
        for _ in range(3):
            target.copy_(source)
        torch.cuda.synchronize()

    def step() -> None:
        for weight in weights:
            torch.matmul(batch, weight)
        torch.cuda.synchronize()

    for warm_up in (matmul, copy, step):
        warm_up()
    return {"matmul": matmul, "copy": copy, "step": step}


def sleeping_work() -> dict[str, Work]:
    """The same names, without a GPU."""
    return dict.fromkeys(("matmul", "copy", "step"), lambda: time.sleep(0.005))


def run(work: dict[str, Work], name: str, duration_s: float) -> dict[str, object]:
    """Run a load for a time."""
    begin_ns = time.monotonic_ns()
    end_ns = begin_ns + round(duration_s * 1e9)
    iteration_s: list[float] = []
    if name == "idle":
        time.sleep(duration_s)
    elif name.startswith("square-"):
        half_ns = round(float(name.removeprefix("square-")) / 2 * 1e9)
        for period_ns in range(begin_ns, end_ns, 2 * half_ns):
            while time.monotonic_ns() < period_ns + half_ns:
                work["matmul"]()
            time.sleep(max(0, period_ns + 2 * half_ns - time.monotonic_ns()) / 1e9)
    else:
        while (then_ns := time.monotonic_ns()) < end_ns:
            work[name]()
            iteration_s.append((time.monotonic_ns() - then_ns) / 1e9)
    return {"name": name, "begin_ns": begin_ns, "end_ns": time.monotonic_ns(), "iteration_s": iteration_s}


def main() -> None:
    """Serve the lines of standard input."""
    work = sleeping_work() if "--sleep" in sys.argv else torch_work()
    print("ready", flush=True)
    for line in sys.stdin:
        name, duration_s = line.split()
        print(json.dumps(run(work, name, float(duration_s))), flush=True)


if __name__ == "__main__":
    main()
