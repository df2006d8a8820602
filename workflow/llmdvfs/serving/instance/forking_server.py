"""Runs a vLLM server on a CPU so that its engine is forked from it: `python -m THIS_MODULE SERVERS_MODULE FLAGS...`.

The engine is a process beside the server. Forked, it has the torch and vLLM that the server has imported; spawned, it
imports them once more, which is 7 s of 20. VLLM_WORKER_MULTIPROC_METHOD decides, but on a CPU vLLM overwrites it with
`spawn` while it starts (vllm/platforms/cpu.py, 0.23 and 0.32). So here multiprocessing gives vLLM `fork` where it asks
for `spawn`, and says so in the log. No OpenMP threads exist yet in a server that forks: they would not survive it.

It runs in the engine's own Python, and imports nothing else of this library.
"""

import contextlib
import gc
import importlib
import multiprocessing
import runpy
import sys
from typing import Any

MOST_IMPORTS = "vllm.engine.protocol"
ASKER = "vllm.utils.system_utils"
"""Where vLLM chooses the method for its engine and workers (`get_mp_context`); others who ask get what they ask for."""
FORKED = "llmdvfs: the engine's process is forked from the server's"


def fork_engines() -> None:
    """Have multiprocessing fork where vLLM asks it to spawn an engine."""
    asked: Any = multiprocessing.get_context

    def forking(method: str | None = None) -> Any:
        if method != "spawn" or sys._getframe(1).f_globals["__name__"] != ASKER:
            return asked(method)
        print(FORKED, file=sys.stderr, flush=True)
        return asked("fork")

    multiprocessing.get_context = forking


def import_uncollected(module: str) -> None:
    """Import a module, if there is one, and never look for garbage in it: imports make none, and looks take time.

    What is imported stays frozen in the engine that is forked, too. vLLM freezes its heap, after a look at all of it,
    where it is ready.
    """
    gc.disable()
    with contextlib.suppress(ModuleNotFoundError):  # in a version that has it elsewhere the server itself imports it
        importlib.import_module(module)
    gc.freeze()
    gc.enable()


def run_as_main(argv: list[str]) -> None:
    """Go on as `python -m` with these arguments does."""
    sys.modules.pop(argv[0], None)  # imported before, it runs once more all the same
    sys.argv = argv
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    fork_engines()
    import_uncollected(MOST_IMPORTS)
    run_as_main(sys.argv[1:])
