"""The proxy's HTTP side: a Quart application over the relay, for all but completions."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from quart import Quart, Response, request

from llmdvfs.routing.balancer import Backend
from llmdvfs.routing.failure import error_body
from llmdvfs.serving.proxy.admission import Admission
from llmdvfs.serving.proxy.exchange import Client, Exchange
from llmdvfs.serving.proxy.inlet import TOKENS_BETWEEN, TOKENS_BETWEEN_WITH_PREFILL, Inlet
from llmdvfs.serving.proxy.journal import Journal, Stamps
from llmdvfs.serving.proxy.plan import ProxyPlan
from llmdvfs.serving.proxy.relay import Relay

HEALTH_LIMIT_S = 2.0


def create_app(plan: ProxyPlan, log: Path) -> tuple[Quart, "Service"]:
    """Return the application (/health, /stats, an instance's models and tokenizer) and what the door needs of it."""
    app = Quart(__name__)
    proxy = Service(plan, log)
    app.before_serving(proxy.start)
    app.after_serving(proxy.stop)
    for path in ("/tokenize", "/detokenize"):
        app.add_url_rule(path, path, proxy.pass_through, methods=["POST"])
    app.add_url_rule("/v1/models", "models", proxy.pass_through, methods=["GET"])
    app.add_url_rule("/health", "health", proxy.health, methods=["GET"])
    app.add_url_rule("/stats", "stats", proxy.stats, methods=["GET"])
    return app, proxy


class Service:
    """The application's views, and the relay and queue that they share with the door (door.py: RequestService)."""

    def __init__(self, plan: ProxyPlan, log: Path) -> None:
        self._plan = plan
        self._log = log
        self._session: aiohttp.ClientSession
        self._relay: Relay
        self.inlet = Inlet(TOKENS_BETWEEN_WITH_PREFILL if plan.of_role("prefill") else TOKENS_BETWEEN)
        self.admission = Admission(plan.max_in_flight, plan.max_waiting)

    async def start(self) -> None:
        """Open the relay, when the server begins to serve."""
        self._session = aiohttp.ClientSession(auto_decompress=False)
        self._relay = Relay(self._plan, Journal(self._log), self.inlet)

    async def stop(self) -> None:
        """Close the relay, when the server ends."""
        await self._session.close()
        self._relay.close()

    def client_came(self) -> None:
        """Have connections to the instances ready, for a client that has opened one."""
        self._relay.client_came()

    def client_left(self) -> None:
        """Expect one client less."""
        self._relay.client_left()

    def exchange(self, endpoint: str, content: bytes, stamps: Stamps, client: Client) -> Exchange:
        """Return a request's way through the instances."""
        return Exchange(self._relay, endpoint, content, stamps, client)

    async def pass_through(self) -> Response:
        """Answer with what the first instance that streams answers."""
        url = self._relay.decode.backends[0].upstream.base_url + request.path
        headers = {"Content-Type": request.content_type} if request.content_type else {}
        try:
            async with self._session.request(
                request.method, url, data=await request.get_data(), headers=headers
            ) as answer:
                return _json(await answer.read(), answer.status)
        except (aiohttp.ClientError, OSError) as error:
            return _json(error_body(f"{url}: {error}", 502), 502)

    async def health(self) -> Response:
        """Answer 200 where every instance is healthy, else 503; the body says which are not, and why."""
        backends = self._relay.backends()
        troubles = await asyncio.gather(*(self._trouble(backend) for backend in backends))
        instances = {
            backend.upstream.name: trouble or "ok" for backend, trouble in zip(backends, troubles, strict=True)
        }
        return _json(orjson.dumps({"instances": instances}), 503 if any(troubles) else 200)

    async def _trouble(self, backend: Backend) -> str | None:
        """Return why an instance is not healthy; None: it is."""
        timeout = aiohttp.ClientTimeout(total=HEALTH_LIMIT_S)
        try:
            async with self._session.get(f"{backend.upstream.base_url}/health", timeout=timeout) as answer:
                return None if answer.status == 200 else f"/health answered {answer.status}"
        except (aiohttp.ClientError, OSError) as error:
            return str(error) or f"no answer within {HEALTH_LIMIT_S} s"

    async def stats(self) -> Response:
        """Answer with counts for each instance, the queue, and how evenly instances were used."""
        relay = self._relay
        instances: dict[str, Any] = {
            backend.upstream.name: {"in_flight": backend.in_flight, "served": backend.served, "failed": backend.failed}
            for backend in relay.backends()
        }
        return _json(
            orjson.dumps(
                {
                    "instances": instances,
                    "waiting": self.admission.waiting,
                    "refused": self.admission.refused,
                    "imbalance": {
                        "prefill": relay.prefill.imbalance() if relay.prefill else None,
                        "decode": relay.decode.imbalance(),
                    },
                }
            ),
            200,
        )


def _json(body: bytes, status: int) -> Response:
    return Response(body, status, content_type="application/json")
