"""The agent of one host: starts and watches what it is told to, until its input ends (docs/hosts.md#the-agent).

It speaks over its standard input and output, and is started by whatever starts commands on other hosts: ssh, srun. When
its input ends, or nothing has come for a while, whoever had started it is gone or cut off: it ends everything, removes
its folder, and ends.
"""

import contextlib
import os
import queue
import select
import signal
import threading
from collections.abc import Iterator
from typing import Any

import orjson

from llmdvfs.clock import mono_ns
from llmdvfs.errors import MISREAD, LlmDvfsError
from llmdvfs.hosts.agent_work import AgentWork
from llmdvfs.hosts.messages import SILENCE_LIMIT_S, line_of, told_error
from llmdvfs.serving.lifetime import end_descendants

REFRESH_INTERVAL_S = 0.1
READ_BYTES = 1 << 16
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LONG_SILENCE_S = 2 * SILENCE_LIMIT_S
"""Later than the other side gives up, so that its message tells of the lost link, and not of an agent that ended."""


def serve(work: AgentWork, requests_fd: int, answers_fd: int) -> None:
    """Answer requests until the input ends; nothing that the agent has started outlives this."""
    for number in ENDING:
        signal.signal(number, _interrupt)
    pipe = _Pipe(work, requests_fd, answers_fd)
    threading.Thread(target=pipe.read, daemon=True).start()
    try:
        for request in pipe.requests():
            pipe.answer(request)
    except KeyboardInterrupt:
        pass  # the input has ended, or somebody ends this process
    finally:
        work.close()
        end_descendants()


class _Pipe:
    """The two ends of the pipe: a thread reads and answers looks, the main thread does what takes time."""

    def __init__(self, work: AgentWork, requests_fd: int, answers_fd: int) -> None:
        self._work = work
        self._requests_fd, self._answers_fd = requests_fd, answers_fd
        self._queue: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._writing = threading.Lock()

    def requests(self) -> Iterator[dict[str, Any]]:
        """Yield requests as they come, and look after what was started in between."""
        while True:
            with contextlib.suppress(queue.Empty):
                yield self._queue.get(timeout=REFRESH_INTERVAL_S)
            self._work.refresh()

    def answer(self, request: dict[str, Any]) -> None:
        """Do what a request asks for, and answer it."""
        try:
            message = {"id": request["id"], "answer": self._work.answer(request)}
        except (LlmDvfsError, OSError) as error:
            message = {"id": request["id"], "error": told_error(error)}
        except MISREAD as error:
            message = {"id": request["id"], "error": ["LlmDvfsError", f"not understood: {error!r}"]}
        self._write(message)

    def read(self) -> None:
        """Read lines until there are no more, or none for too long; then have the main thread end everything."""
        with contextlib.suppress(OSError, *MISREAD):
            for line in self._lines():
                received = mono_ns()
                message = orjson.loads(line)
                if "look" in message:
                    self._write(
                        {"look": message["look"], "received": received, "state": self._work.state}, stamped=True
                    )
                else:
                    self._queue.put(message)
        os.kill(os.getpid(), signal.SIGTERM)

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        while select.select([self._requests_fd], [], [], LONG_SILENCE_S)[0]:
            piece = os.read(self._requests_fd, READ_BYTES)
            if not piece:
                return
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole

    def _write(self, message: dict[str, Any], *, stamped: bool = False) -> None:
        with self._writing:
            line = line_of(message | ({"answered": mono_ns()} if stamped else {}))
            while line:
                line = line[os.write(self._answers_fd, line) :]


def _interrupt(number: int, frame: object) -> None:
    for further in ENDING:
        signal.signal(further, lambda number, frame: None)
    raise KeyboardInterrupt
