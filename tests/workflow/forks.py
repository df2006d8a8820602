"""Snakemake without the wait for its imports: runs are forks of a process that has them, and else as from a terminal.

What Snakemake and its libraries import takes half of a dry run's time. The library of the checkout under test is not
among it: each run imports the one that lies there.
"""

import atexit
import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import psutil

SERVE = """
import json, os, sys
import snakemake.cli
import jsonschema, orjson, pydantic.dataclasses, requests, smart_open, snakemake.report  # what a run imports besides
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        for number, path in enumerate((os.devnull, asked["out"], asked["err"])):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
        sys.argv = ["snakemake", *asked["arguments"]]
        snakemake.cli.main()  # ends this process
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def snakemake(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], limit_s: float
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a folder, and return what it said and its exit code.

    Raises subprocess.TimeoutExpired where it takes longer than the limit; it is ended then.
    """
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with tempfile.TemporaryDirectory() as said:
        out, err = Path(said, "out"), Path(said, "err")
        asked = {"arguments": arguments, "folder": str(folder), "environment": dict(environment)}
        server.stdin.write(json.dumps(asked | {"out": str(out), "err": str(err)}) + "\n")
        server.stdin.flush()
        if not select.select([server.stdout], [], [], limit_s)[0]:
            for process in (*psutil.Process(server.pid).children(recursive=True), server):
                process.kill()
            _server.cache_clear()
            raise subprocess.TimeoutExpired(["snakemake", *arguments], limit_s, out.read_text(), err.read_text())
        answer = server.stdout.readline()
        assert answer, "the process that forks Snakemake has ended"
        return subprocess.CompletedProcess(["snakemake", *arguments], int(answer), out.read_text(), err.read_text())


@cache
def _server() -> "subprocess.Popen[str]":
    """Return the process with the imports, which ends with this one."""
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", SERVE],  # -P: nothing is imported from the folder of a run
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    atexit.register(server.__exit__, None, None, None)  # closes its input, which ends it, and waits
    return server
