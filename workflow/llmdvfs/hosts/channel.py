"""The near end of the pipe to an agent: requests, looks at short intervals, and whether the host is still there."""

import contextlib
import queue
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

import orjson

from llmdvfs.clock import mono_ns
from llmdvfs.errors import MISREAD, ServerDied, ServerNotReady
from llmdvfs.host.child import library_environment
from llmdvfs.hosts.messages import LOOK_INTERVAL_S, SILENCE_LIMIT_S, AgentState, error_of, line_of, state_of
from llmdvfs.records.hosts import ClockExchange
from llmdvfs.serving.lifetime import how_it_ended

WAIT_INTERVAL_S = 0.2
END_LIMIT_S = 20.0  # the agent ends its servers first: their guards take up to 11 s
MAX_CAUSE_CHARS = 1000


class HostLost(ServerDied):
    """A host of the deployment, or its agent, does not answer any more."""


class Channel:
    """The connection to the agent of one host, from its start to its end."""

    def __init__(self, host: str, command: Sequence[str], log: Path) -> None:
        """Start the command that runs the agent there. log: takes what command and agent say besides messages."""
        self._host, self._log = host, log
        self.state = AgentState()
        """The newest that was told."""
        self._exchanges: list[ClockExchange] = []
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._lost: str | None = None
        self._writing = threading.Lock()
        self._number = 0
        self._closing = threading.Event()
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("ab") as errors:
                self._process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=library_environment(),
                    start_new_session=True,  # Ctrl-C is for this process, which then ends its hosts in order
                )
        except OSError as error:
            raise ServerNotReady(
                f"host {host}: {command[0]} cannot be run: {error.strerror}; expected a command that runs others there "
                "(serving.hosts, key reach)"
            ) from error
        self._heard_s = time.monotonic()
        self._has_answered = False
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._look)]
        for thread in self._threads:
            thread.start()

    def request(self, ask: str, limit_s: float, **fields: Any) -> dict[str, Any]:
        """Return the agent's answer; raise the error that it tells, or HostLost where none comes within the limit."""
        self._number += 1
        number, answer = self._number, queue.SimpleQueue[dict[str, Any]]()
        self._answers[number] = answer
        deadline_s = time.monotonic() + limit_s
        self._send({"id": number, "ask": ask, **fields})
        while True:
            try:
                told = answer.get(timeout=WAIT_INTERVAL_S)
                break
            except queue.Empty:
                if (why := self.lost()) is not None:
                    raise HostLost(f"host {self._host}: {why}") from None
                if time.monotonic() > deadline_s:
                    raise HostLost(f"host {self._host}: no answer to {ask!r} within {limit_s:g} s") from None
        del self._answers[number]
        if "error" in told:
            raise error_of(told["error"], self._host)
        content: dict[str, Any] = told["answer"]
        return content

    def lost(self) -> str | None:
        """Return why the agent cannot be reached any more; None: it can. It costs microseconds."""
        if self._lost is None and self._has_answered and time.monotonic() - self._heard_s > SILENCE_LIMIT_S:
            self._lost = f"its agent has not answered for {SILENCE_LIMIT_S:g} s: host down, or the connection to it cut"
        return self._lost

    def exchanges_since(self, begin_ns: int) -> list[ClockExchange]:
        """Return the exchanges with the host's clock that were asked at that instant of this host's clock or later."""
        return [exchange for exchange in list(self._exchanges) if exchange.asked_ns >= begin_ns]

    def close(self) -> None:
        """Close the agent's input, upon which it ends everything, and wait for its end."""
        self._closing.set()
        process = self._process
        with self._writing, contextlib.suppress(OSError):  # it may have gone before
            cast(IO[bytes], process.stdin).close()
        try:
            # Nothing more will come from a host that is lost: its agent ends everything by itself.
            process.wait(END_LIMIT_S if self._lost is None else 0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for thread in self._threads:
            thread.join()
        cast(IO[bytes], process.stdout).close()

    def _send(self, message: dict[str, Any]) -> None:
        with self._writing:
            stdin = cast(IO[bytes], self._process.stdin)
            try:
                stdin.write(line_of(message))
                stdin.flush()
            except (OSError, ValueError):
                pass  # the reading thread tells why

    def _look(self) -> None:
        while not self._closing.wait(LOOK_INTERVAL_S) and self._lost is None:
            self._send({"look": mono_ns()})

    def _read(self) -> None:
        stdout = cast(IO[bytes], self._process.stdout)
        for line in stdout:
            heard = mono_ns()
            try:
                self._take(orjson.loads(line), heard)
            except MISREAD:
                # A login message, say: whatever it is, it is no agent that speaks.
                self._lost = f"said {line[:MAX_CAUSE_CHARS]!r}, which is no message of an agent"
                return
        if not self._closing.is_set() and self._lost is None:
            code = self._process.wait()
            said = self._log.read_text(encoding="utf-8", errors="replace").strip()[-MAX_CAUSE_CHARS:]
            self._lost = f"its agent {how_it_ended(code)}: {said or 'without a message'}"

    def _take(self, message: dict[str, Any], heard_ns: int) -> None:
        self._heard_s, self._has_answered = time.monotonic(), True
        if "look" in message:
            self._exchanges.append(ClockExchange(message["look"], message["received"], message["answered"], heard_ns))
            self.state = state_of(message["state"])
        else:
            self._answers[message["id"]].put(message)
