"""A vLLM server that is none: vLLM's command line, its two processes and its ways to end; tokens from the mock server.

What is to go wrong lies as JSON in the folder $FAKE_VLLM. `start.json` is read at the start:

ready_after_s   seconds before it listens
says, exits     what it writes to its log, and the code that it then ends with
refuses         answers requests with status 500
stubborn        neither of its processes ends on SIGTERM

`now.json` is for servers that had been started before it was written (`since_mono_ns`):

hangs           accepts requests and sends no token
refuses         as above
says, exits     as above

The file `loaded` appears there when a prompt comes as token ids: that is measured load, not the first request.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from llmdvfs.load.own_error.mock_server import MockServer

METRICS = b"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running 0\n"
VERSIONS = '{"vllm": "0.32.0", "torch": "2.13.0", "python": "3.11.0"}'
PREFILLED = b'{"choices":[{"text":"a"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
FOLDER = Path(os.environ.get("FAKE_VLLM", "."))


def python_with_fake_vllm(folder: Path) -> str:
    """Return the path of a "Python" whose vLLM is this."""
    script = folder / "python"
    script.write_text(f"""#!/bin/sh
[ "$1" != -c ] || exec echo '{VERSIONS}'
exec {sys.executable} {__file__} "$@"
""")
    script.chmod(0o755)
    return str(script)


def told(name: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((FOLDER / name).read_text())
    except FileNotFoundError:
        return {}
    return content


class FakeVllm(MockServer):
    """The API server's half; it ends when its engine has."""

    def __init__(
        self, host: str, port: int, engine: subprocess.Popen[bytes], start: dict[str, Any], begin_ns: int
    ) -> None:
        super().__init__(ttft_s=0.02, gap_s=0.01, port=port, host=host)
        self._engine, self._start, self._begin_ns = engine, start, begin_ns

    def _now(self) -> dict[str, Any]:
        now = told("now.json")
        return now if now.get("since_mono_ns", 0) > self._begin_ns else {}

    def _step(self, now: int) -> None:
        behaviour = self._now()
        if "exits" in behaviour:
            print(behaviour["says"], flush=True)
            self.stop = True
        elif self._engine.poll() is not None:
            print("EngineDeadError: EngineCore encountered an issue.", flush=True)
            self.stop = True
        elif "hangs" not in behaviour:
            super()._step(now)

    def _answer(self, connection: Any, head: bytes, body: bytes) -> None:
        if b'"prompt":[' in body:
            (FOLDER / "loaded").touch()
        if head.startswith(b"GET /metrics"):
            self._send(connection, plain(b"200 OK", METRICS))
        elif head.startswith(b"POST") and "refuses" in self._start | self._now():
            self._send(connection, plain(b"500 Internal Server Error", b"scripted"))
        elif head.startswith(b"POST") and not orjson.loads(body).get("stream"):  # prefill's half of a request
            self._send(connection, plain(b"200 OK", PREFILLED))
        else:
            super()._answer(connection, head, body)


def plain(status: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def start_engine() -> subprocess.Popen[bytes]:
    """Start a process with the title and the session of vLLM's engine; like it, it does not notice its parent's end."""
    sleep = shutil.which("sleep")
    assert sleep is not None
    return subprocess.Popen(["VLLM::EngineCore", "600"], executable=sleep, start_new_session=True)


def end(number: int, frame: object) -> None:
    raise SystemExit(0)


def main(host: str, port: int) -> int:
    begin_ns, start = time.monotonic_ns(), told("start.json")
    print(start.get("says", "fake vLLM"), flush=True)
    if "exits" in start:
        return int(start["exits"])
    if "stubborn" in start:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    engine = start_engine()
    if "stubborn" not in start:
        signal.signal(signal.SIGTERM, end)
    try:
        while time.monotonic_ns() - begin_ns < start.get("ready_after_s", 0.0) * 1e9:
            if engine.poll() is not None:
                print("RuntimeError: Engine core initialization failed.", flush=True)
                return 1
            time.sleep(0.02)
        FakeVllm(host, port, engine, start, begin_ns).serve()
        return 1
    finally:
        engine.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[sys.argv.index("--host") + 1], int(sys.argv[sys.argv.index("--port") + 1])))
