"""Scripted instances of a deployment: what each is asked is kept, and what it answers is the test's."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from fakes.scripted_server import DONE, END, SSE_HEAD, Action, Asked, chunk, scripted_server, token

from llmdvfs.records.route import KvAddresses, RoutePlan, Upstream
from llmdvfs.records.spec import Role

PARAMS = {"remote_block_ids": [[1, 2]], "remote_engine_id": "engine-prefill-0"}
Answer = Callable[[Asked], Iterable[Action]]


def whole(body: dict[str, Any], status: str = "200 OK") -> bytes:
    """Return an answer of JSON."""
    content = orjson.dumps(body)
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status.encode(),
        len(content),
        content,
    )


def prefilled(asked: Asked) -> Iterator[Action]:
    """Answer a prefill request as NIXL's instance does."""
    yield whole({"choices": [{"text": "a", "finish_reason": "length"}], "kv_transfer_params": PARAMS})


def streamed(asked: Asked) -> Iterator[Action]:
    """Stream as many tokens as are asked for; each token is its number."""
    yield SSE_HEAD
    for number in range(num := asked.body["max_tokens"]):
        yield chunk(token(ids=[number], finish="length" if number == num - 1 else None))
    yield chunk(DONE) + END


@dataclass
class Scripted:
    """One instance; `answer` may be changed between requests."""

    answer: Answer
    asked: list[Asked] = field(default_factory=list)

    def script(self, asked: Asked) -> Iterable[Action]:
        self.asked.append(asked)
        return self.answer(asked)


@contextmanager
def route(
    instances: dict[str, Scripted], connector: str | None = None, policy: str = "round_robin"
) -> Iterator[RoutePlan]:
    """Serve instances, named `role-number`, and yield the plan that names them."""
    with ExitStack() as servers:
        upstreams = []
        for name, instance in instances.items():
            role: Role = name.split("-")[0]  # type: ignore[assignment]
            url = servers.enter_context(scripted_server(instance.script))
            kv = KvAddresses("127.0.0.1", 1, 20 + len(upstreams), "/kv", f"engine-{name}") if connector else None
            upstreams.append(Upstream(name, role, url, kv))
        yield RoutePlan(tuple(upstreams), connector, policy)
