"""Clocks set by zeusd, the daemon of the Zeus project, which holds the right that this process lacks.

It speaks HTTP on a Unix socket: `GET /discover` tells its GPUs and what it does, `POST /gpu/<call>?gpu_ids=...` does
it, with `block=true` once it is done (zeus 0.16, zeus/utils/zeusd.py). A lock and a limit outlive it, as with NVML.
"""

import contextlib
import http.client
import json
import os
import socket
import urllib.parse
from typing import Any

from llmdvfs.errors import MISREAD, ClockControlError
from llmdvfs.host.capabilities import may_ask_zeusd, zeusd_socket
from llmdvfs.telemetry.nvml import MW_PER_W, NvmlGpu, num_gpus
from llmdvfs.telemetry.setters.setter import ClocksDenied

TOKEN_VARIABLE = "ZEUSD_TOKEN"  # Zeus's own
CONTROL = "gpu-control"
LIMIT_S = 10.0  # a blocking call of the driver takes milliseconds
MAX_ANSWER_BYTES = 1 << 20
MAX_TOLD = 200  # characters of a refusal
OK, UNAUTHORISED, FORBIDDEN, NOT_FOUND = 200, 401, 403, 404


class ZeusdGpu:
    """Sets one GPU through the daemon.

    ClocksDenied where there is no daemon, or where it may not or will not set the GPU. The daemon numbers its GPUs and
    tells no UUID. So they are believed to be NVML's only where both list the same names: a daemon outside of a
    container counts other GPUs than this process does.
    """

    def __init__(self, gpu: NvmlGpu) -> None:
        """Ask the daemon which GPUs it has and what it may do."""
        self._index = gpu.index
        self._path = zeusd_socket()
        if not may_ask_zeusd():
            raise ClocksDenied(f"no daemon at {self._path} that this user may speak to")
        found = self._ask("GET", "/discover")
        try:
            names = {int(one["id"]): str(one["name"]) for one in found["gpus"]}
            does = CONTROL in found["enabled_api_groups"]
        except (TypeError, KeyError, ValueError) as error:
            raise ClocksDenied(f"{self._path} answers, but not as zeusd does: {error!r}") from error
        if not does:
            raise ClocksDenied(f"the daemon at {self._path} was started without {CONTROL}")
        ours = {index: NvmlGpu(index).name() for index in range(num_gpus())}
        if names != ours:
            raise ClocksDenied(f"the daemon at {self._path} has GPUs {names}, NVML here {ours}: not the same machine")

    def lock_sm_clock(self, low_mhz: int, high_mhz: int) -> None:
        """Keep the core clock between the two."""
        self._set("set_gpu_locked_clocks", min_clock_mhz=low_mhz, max_clock_mhz=high_mhz)

    def lock_memory_clock(self, clock_mhz: int) -> None:
        """Lock the memory clock."""
        self._set("set_mem_locked_clocks", min_clock_mhz=clock_mhz, max_clock_mhz=clock_mhz)

    def reset_sm_clock(self) -> None:
        """Undo any lock of the core clock."""
        self._set("reset_gpu_locked_clocks")

    def reset_memory_clock(self) -> None:
        """Undo any lock of the memory clock."""
        self._set("reset_mem_locked_clocks")

    def set_power_limit(self, limit_w: float) -> None:
        """Set the power limit."""
        self._set("set_power_limit", power_limit_mw=round(limit_w * MW_PER_W))

    def _set(self, call: str, **values: int) -> None:
        question = urllib.parse.urlencode({"gpu_ids": self._index, **values, "block": "true"})
        self._ask("POST", f"/gpu/{call}?{question}")

    def _ask(self, method: str, target: str) -> Any:
        """Return the answer's JSON, None where it has none."""
        token = os.environ.get(TOKEN_VARIABLE)
        connection = _UnixConnection(str(self._path))
        try:
            with contextlib.closing(connection):
                connection.request(method, target, headers={"Authorization": f"Bearer {token}"} if token else {})
                answer = connection.getresponse()
                body = answer.read(MAX_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise ClockControlError(
                f"zeusd at {self._path} did not answer to {target.split('?')[0]}: {error}"
            ) from error
        if answer.status != OK:
            told = f"zeusd says {answer.status}: {body.decode(errors='replace')[:MAX_TOLD]}"
            raise (ClocksDenied if answer.status in (UNAUTHORISED, FORBIDDEN, NOT_FOUND) else ClockControlError)(told)
        with contextlib.suppress(*MISREAD):
            return json.loads(body)
        return None


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=LIMIT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
