"""A stand-in for zeusd: HTTP on a Unix socket, in front of the fake GPUs, with rights that a caller may lack.

Paths, parameters and answers are those of the client in zeus 0.16 (zeus/utils/zeusd.py); `findings/` checks them
against that client itself.
"""

import http.server
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Setter = Callable[..., None]


@dataclass
class FakeZeusd:
    """What it tells, what it does, and what it was asked."""

    gpus: list[str]
    """Names, by index."""
    set: Callable[[str, int, dict[str, int]], None]
    """Does (call, GPU, values); what it raises is told with status 500."""
    api_groups: tuple[str, ...] = ("gpu-read", "gpu-control")
    token: str | None = None
    """What a caller must show; None: everybody may."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def answer(self, method: str, target: str, token: str | None) -> tuple[int, Any]:
        """Return status and JSON."""
        path, question = urlsplit(target).path, dict(parse_qsl(urlsplit(target).query))
        if path == "/discover":
            return 200, {
                "gpus": [{"id": index, "name": name} for index, name in enumerate(self.gpus)],
                "cpus": [],
                "enabled_api_groups": list(self.api_groups),
                "auth_required": self.token is not None,
            }
        if self.token is not None and token != f"Bearer {self.token}":
            return 401, "no token"
        self.asked.append((path, question))
        given = dict(question)
        assert (method, given.pop("block")) == ("POST", "true")
        call, index = path.removeprefix("/gpu/"), int(given.pop("gpu_ids"))
        try:
            self.set(call, index, {name: int(value) for name, value in given.items()})
        except Exception as error:  # whatever it was, the daemon goes on
            return 500, str(error)
        return 200, None

    @contextmanager
    def listening(self, path: Path) -> Iterator[None]:
        """Answer at a socket inside the block."""
        daemon = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def address_string(self) -> str:
                return "somebody"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                status, content = daemon.answer(self.command, self.path, self.headers["Authorization"])
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 (the name that the base class calls)

        with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()
