"""A vLLM server that is none: takes vLLM's command line, serves a FakeUpstream, and fails as its environment says.

FAKE_SAYS    written to its log first
FAKE_EXITS   ends with this code after that
FAKE_HANGS   never serves
FAKE_LASTS_S serves for so many seconds, then ends with code 3
FAKE_DIES_COLD ends where its first request comes from the proxy, whose prompt was prefilled elsewhere
"""

import asyncio
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from aiohttp import web
from fakes.upstream import FakeUpstream, serving


def python_with_fake_engine(folder: Path) -> str:
    """Return the path of a "Python" whose vLLM is this."""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} "$@"\n')
    script.chmod(0o755)
    return str(script)


TOY_SERVER = """
import os, sys, time
print("imported by", os.getpid(), flush=True)
if "FAKE_IMPORT_FAILS" in os.environ:
    sys.exit("no such library")
time.sleep(float(os.environ.get("FAKE_IMPORTS_S", 0)))
if __name__ == "__main__":
    sys.path.insert(0, {tests!r})
    import asyncio
    from fakes.engine import serve
    print("serves on", os.environ.get("CUDA_VISIBLE_DEVICES"), "with input", repr(sys.stdin.read()), flush=True)
    asyncio.run(serve(int(sys.argv[sys.argv.index("--port") + 1])))
"""


def python_with_toy_vllm(folder: Path) -> str:
    """Return the path of a Python in which vLLM's server is a module that says who imported it, and serves."""
    package = folder / "toy" / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    for folder_of_package in (package, *package.parents[:2]):
        (folder_of_package / "__init__.py").touch()
    (package / "api_server.py").write_text(TOY_SERVER.format(tests=str(Path(__file__).parents[1])))
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{folder / "toy"}:$PYTHONPATH" exec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return str(script)


class DiesCold(FakeUpstream):
    """As vLLM 0.32 did on a CPU with AMX: by an illegal instruction, unless it has prefilled something before."""

    async def complete(self, request: web.Request) -> web.StreamResponse:
        if not self.requests and "x-request-id" in request.headers:
            os._exit(132)
        return await super().complete(request)


async def serve(port: int) -> None:
    async with serving(DiesCold() if "FAKE_DIES_COLD" in os.environ else FakeUpstream(), port):
        await asyncio.sleep(float(os.environ.get("FAKE_LASTS_S", "inf")))


if __name__ == "__main__":
    print(os.environ.get("FAKE_SAYS", "fake engine"), flush=True)
    if "FAKE_EXITS" in os.environ:
        sys.exit(int(os.environ["FAKE_EXITS"]))
    if "FAKE_HANGS" in os.environ:
        time.sleep(60)
    asyncio.run(serve(int(sys.argv[sys.argv.index("--port") + 1])))
    sys.exit(3)
