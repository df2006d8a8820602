"""Imports what a server is made of, and waits with it: `python -m THIS_MODULE SERVERS_MODULE WORKERS_MODULE...`.

A start of vLLM imports for 18 s on an H100 before it touches the GPU (docs/engine.md). A server that waits has done so
while the GPU still served the launch before. One line on its standard input, `{"argv": [MODULE, FLAG ...], "env": {}}`,
has it go on as `python -m MODULE FLAG ...` with further variables; the end of its input, that whoever would have told
it has gone, ends it.

It runs in the engine's own Python, and imports nothing else of this library than what runs there too.
"""

import json
import os
import re
import sys
import time
from collections.abc import Sequence

from llmdvfs.serving.instance.forking_server import import_uncollected, run_as_main

PREPARED = re.compile(r"^llmdvfs: imported in ([\d.]+) s, waits to be told$", re.MULTILINE)


def wait_for_order(modules: Sequence[str]) -> None:
    """Import modules, say so in the log, and run what is asked for then; it returns where nothing is."""
    begin_s = time.monotonic()
    for module in modules:
        import_uncollected(module)
    refuse_cuda()
    print(f"llmdvfs: imported in {time.monotonic() - begin_s:.1f} s, waits to be told", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        return
    order = json.loads(line)
    os.environ.update(order["env"])
    # As a server that nobody prepared has it: nothing to read.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    run_as_main(order["argv"])


def refuse_cuda() -> None:
    """End where an import has begun to use a GPU: another launch is being measured on it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        sys.exit("llmdvfs: CUDA was initialised by an import, so this server cannot wait beside a measurement")


if __name__ == "__main__":
    wait_for_order(sys.argv[1:])
