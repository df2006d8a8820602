"""Serves the proxy's application by uvicorn, on uvloop and the door's connections, until SIGTERM."""

import asyncio
import contextlib
import functools
import gc
import signal
from pathlib import Path

import uvicorn
import uvloop

from llmdvfs.serving.proxy.app import create_app
from llmdvfs.serving.proxy.door import Door
from llmdvfs.serving.proxy.plan import ProxyPlan

IDLE_CLIENT_S = 3600  # clients may open their connections long before they use them
BACKLOG = 4096
GRACE_S = 1
GARBAGE_THRESHOLD = 50_000  # objects; a collection stops all streams, and little here is cyclic


class _Server(uvicorn.Server):
    """Server that waits to be told to end, and does so with exit code 0.

    uvicorn would look for that ten times a second, an eighth of the CPU of one stream, and send itself the signal once
    more.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        self._is_told_to_exit = asyncio.Event()
        super().__init__(config)

    @property
    def should_exit(self) -> bool:
        """Whether it is to end."""
        return self._is_told_to_exit.is_set()

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        """Tell it to end."""
        if value:
            self._is_told_to_exit.set()
        else:
            self._is_told_to_exit.clear()

    async def main_loop(self) -> None:
        """Wait until it is to end; the headers that uvicorn renews meanwhile are switched off."""
        await self._is_told_to_exit.wait()

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """Return a block that leaves signals alone, since `_serve` handles them."""
        return contextlib.nullcontext()


def serve(plan: ProxyPlan, log: Path, host: str, port: int) -> None:
    """Serve the plan until SIGTERM or SIGINT.

    log: file of the stamps.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(make_server(plan, log, host, port)))


def make_server(plan: ProxyPlan, log: Path, host: str, port: int) -> uvicorn.Server:
    """Return the server, which ends when its `should_exit` is set.

    Not hypercorn, which Quart comes with: it takes 1.5 times the CPU a token (bench/proxy).
    """
    app, service = create_app(plan, log)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=functools.partial(Door, service),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_CLIENT_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    return _Server(config)


async def _serve(server: uvicorn.Server) -> None:
    """Serve until SIGTERM or SIGINT, collecting garbage less often than Python would."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    await server.serve()
