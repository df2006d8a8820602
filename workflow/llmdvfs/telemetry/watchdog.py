"""The owner's side of the clock watchdog: starts it, notices when it has died or hangs, and lets it take over."""

import contextlib
import json
import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, cast

from llmdvfs.errors import ClockControlError
from llmdvfs.host.child import library_environment
from llmdvfs.records.point import GpuSetting, How

LOG = logging.getLogger(__name__)
START_LIMIT_S = 60.0  # imports and the driver's library; seconds on a busy machine
ASK_INTERVAL_S = 2.0  # answering wakes one small process for some microseconds
ANSWER_LIMIT_S = 10.0
TAKE_OVER_LIMIT_S = 20.0
END_LIMIT_S = 5.0
MAX_RESTARTS = 3


class Watchdog:
    """The process that takes GPUs' settings back if its owner is killed, or asks it to."""

    def __init__(
        self,
        settings: Sequence[GpuSetting],
        originals_w: Mapping[int, float],
        records: Sequence[Path],
        lock_fds: Sequence[int],
        *,
        how: How,
        log_folder: Path,
    ) -> None:
        """Start it, and wait until it is ready; ClockControlError where it does not start.

        lock_fds: locks that it inherits, so that the GPUs stay locked until it has ended too.
        """
        self._task = json.dumps(
            {
                "settings": [asdict(setting) for setting in settings],
                "originals_w": dict(originals_w),
                "records": [str(record) for record in records],
                "how": how,
                "log_folder": str(log_folder),
            }
        )
        self._lock_fds = tuple(lock_fds)
        self._num_restarts = 0
        self._asked_s: float | None = None
        self._since_s = 0.0
        self._heard = b""
        self._start()

    @property
    def pid(self) -> int:
        """Return its process id, which changes when it is started anew."""
        return self._process.pid

    def check(self) -> None:
        """Start another one where it has ended or hangs; this takes microseconds.

        ClockControlError after the third time: something here ends them, and a point is not held without one.
        """
        if self._process.poll() is not None:
            self._restart("ended")
        elif self._asked_s is not None:
            if self._word(0.0) is not None:
                self._asked_s = None
            elif time.monotonic() - self._asked_s > ANSWER_LIMIT_S:
                self._restart(f"did not answer for {ANSWER_LIMIT_S:g} s")
        elif time.monotonic() - self._since_s > ASK_INTERVAL_S:
            self._say("ping\n")
            self._asked_s = self._since_s = time.monotonic()

    def dismiss(self) -> None:
        """End it, once everything has been taken back."""
        self._say("restored\n")
        self._close()

    def take_over(self) -> dict[int, str] | None:
        """Let it take everything back.

        Return what is left, as position of the step -> why; None where it does not answer.
        """
        with contextlib.suppress(OSError):
            cast(IO[bytes], self._process.stdin).close()
        word = self._word(TAKE_OVER_LIMIT_S)
        if word == "pong":  # the answer to the `ping` before this order
            word = self._word(TAKE_OVER_LIMIT_S)
        self._close()
        return None if word is None else {int(position): why for position, why in json.loads(word).items()}

    def _start(self) -> None:
        """Start it and wait until it is ready; one that is killed meanwhile is replaced, as later ones are."""
        while not self._becomes_ready():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_LIMIT_S)
            code = self._process.poll()
            self._close(limit_s=0.0)
            if code is None or code >= 0:
                raise ClockControlError(
                    f"the watchdog that would take the clocks back did not start within {START_LIMIT_S:g} s "
                    "(its message is above); no point is held without one"
                )
            self._count_restart(f"was ended by signal {-code} before it was ready")

    def _becomes_ready(self) -> bool:
        """Start a process, and return whether it says within the limit that it is ready."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "llmdvfs.telemetry.clock_watchdog", self._task],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=library_environment(),
            pass_fds=self._lock_fds,
            start_new_session=True,
        )
        self._asked_s, self._since_s, self._heard = None, time.monotonic(), b""
        return self._word(START_LIMIT_S) == "ready"

    def _restart(self, why: str) -> None:
        self._close(limit_s=0.0)
        self._count_restart(why)
        self._start()

    def _count_restart(self, why: str) -> None:
        """Tell that another one is needed; ClockControlError where too many were."""
        self._num_restarts += 1
        if self._num_restarts > MAX_RESTARTS:
            raise ClockControlError(
                f"the watchdog that would take the clocks back {why}, for the {self._num_restarts}th time; the point "
                "ends here: look what kills processes on this machine (dmesg, limits of the job)"
            )
        LOG.warning("the watchdog of the clocks %s; another one was started", why)

    def _word(self, limit_s: float) -> str | None:
        """Return the next line that it says within the limit; None where it is silent or has ended."""
        stdout = cast(IO[bytes], self._process.stdout)
        waiting = select.poll()  # not select(): a busy client may hold more than 1024 files
        waiting.register(stdout, select.POLLIN)
        deadline = time.monotonic() + limit_s
        while b"\n" not in self._heard:
            if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return None
            part = os.read(stdout.fileno(), 65536)
            if not part:
                return None
            self._heard += part
        line, self._heard = self._heard.split(b"\n", 1)
        return line.decode()

    def _say(self, word: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # it has ended, which `check` notices
            cast(IO[bytes], self._process.stdin).write(word.encode())

    def _close(self, limit_s: float = END_LIMIT_S) -> None:
        """End it for good. A killed one takes nothing back: call it where that is done, or is done by another."""
        if limit_s:
            with contextlib.suppress(OSError):
                cast(IO[bytes], self._process.stdin).close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(limit_s)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                cast(IO[bytes], pipe).close()
