"""Serves the proxy's application: hypercorn on uvloop, until SIGTERM."""

import asyncio
import signal
from pathlib import Path

import hypercorn.asyncio
import hypercorn.config
import uvloop

from llmdvfs.serving.proxy import create_app
from llmdvfs.serving.proxy_plan import ProxyPlan

IDLE_CLIENT_S = 3600.0  # clients may open their connections long before they use them
MAX_REQUESTS_PER_CONNECTION = 10**9
BACKLOG = 4096
GRACE_S = 1.0


def serve(plan: ProxyPlan, log: Path, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    config = hypercorn.config.Config()
    config.bind = [f"{host}:{port}"]
    config.backlog = BACKLOG
    config.keep_alive_timeout = IDLE_CLIENT_S
    config.keep_alive_max_requests = MAX_REQUESTS_PER_CONNECTION
    config.graceful_timeout = GRACE_S
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(plan, log, config))


async def _serve(plan: ProxyPlan, log: Path, config: hypercorn.config.Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await hypercorn.asyncio.serve(create_app(plan, log), config, shutdown_trigger=stop.wait)
