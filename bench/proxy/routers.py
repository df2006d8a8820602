"""How each router is told what stands behind it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llmdvfs.records.route import KvAddresses, RoutePlan, Upstream
from llmdvfs.records.store import write_record
from llmdvfs.serving.instance.ports import reserved
from llmdvfs.serving.proxy.plan import ProxyPlan

VLLM_ROUTER = Path(__file__).parent / "locks" / "vllm-router.txt"


@dataclass(frozen=True)
class Site:
    """What a router stands before; prefill None: it only balances."""

    decode: str
    prefill: str | None
    port: int
    folder: Path


@dataclass(frozen=True)
class Router:
    name: str
    command: Callable[[Site], list[str]] | None
    """None: no process, since the load generator asks the instances itself."""


def route_of(site: Site) -> RoutePlan:
    """Return the instances of a site, as the proxy and the load generator are told of them."""
    kv = KvAddresses("127.0.0.1", 1, 2, "/kv", "engine")
    if site.prefill is None:
        return RoutePlan((Upstream("single-0", "single", site.decode),), None)
    pair = (Upstream("prefill-0", "prefill", site.prefill, kv), Upstream("decode-0", "decode", site.decode, kv))
    return RoutePlan(pair, "nixl")


def before(checkout: Path) -> Router:
    """Return the proxy of another checkout of this project."""
    return Router("before", lambda site: ["env", f"PYTHONPATH={checkout / 'workflow'}", *_ours(site)])


def _ours(site: Site) -> list[str]:
    route = route_of(site)
    write_record(site.folder / "plan.json", ProxyPlan(route.upstreams, route.connector))
    argv = [sys.executable, "-m", "llmdvfs", "proxy", "--port", str(site.port)]
    return [*argv, "--plan", str(site.folder / "plan.json"), "--log", str(site.folder / "proxy.jsonl")]


def _vllm_router(site: Site) -> list[str]:
    program = VLLM_ROUTER.parents[1] / ".venvs" / VLLM_ROUTER.stem / "bin" / "vllm-router"
    behind = ["--worker-urls", site.decode]
    if site.prefill is not None:
        behind = ["--vllm-pd-disaggregation", "--prefill", site.prefill, "--decode", site.decode]
    with reserved("127.0.0.1") as metrics_port:
        argv = [str(program), "--port", str(site.port), "--prometheus-port", str(metrics_port)]
    # It looks for its workers every 30 s unless told otherwise, and logs every request.
    quick = ["--worker-startup-check-interval", "1", "--log-level", "error"]
    return [*argv, *behind, "--policy", "round_robin", *quick]


ROUTERS = (Router("llm-dvfs", _ours), Router("direct", None), Router("vllm-router", _vllm_router))
