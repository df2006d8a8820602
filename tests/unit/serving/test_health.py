"""What is said while servers start: who has not finished, and what it waits for."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import monotonic

import pytest

from llmdvfs.errors import ServerNotReady
from llmdvfs.serving.instance.health import wait_healthy


class _Proxy(BaseHTTPRequestHandler):
    """One that is up and answers, as ours does, that an instance of its two is not."""

    def do_GET(self) -> None:
        body = json.dumps({"instances": {"prefill-0": "ok", "decode-0": "Connection refused"}}).encode()
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Starting:
    """A process that runs, and has said nothing."""

    def __init__(self, name: str) -> None:
        self.name, self.log, self.started_s = name, Path(f"{name}.log"), monotonic()

    def exit_code(self) -> None:
        return None

    def engine_failed_to_start(self) -> bool:
        return False

    def log_tail(self) -> str:
        return ""


@pytest.fixture
def proxy_url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_proxy_names_the_instance_that_it_waits_for(proxy_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`proxy: starting for 15 s` was said of one that had been up for 14, while its instances loaded the model."""
    said: list[str] = []
    monkeypatch.setattr("llmdvfs.serving.instance.health.PROGRESS_INTERVAL_S", 0.0)
    servers = {proxy_url: _Starting("proxy"), "http://127.0.0.1:9": _Starting("decode-0")}
    with pytest.raises(
        ServerNotReady, match=r"proxy: is up and waits for decode-0, see proxy\.log; decode-0: starting for"
    ):
        wait_healthy(servers, 0.5, said.append)  # type: ignore[arg-type]
    assert "proxy: is up and waits for decode-0" in said
    assert "decode-0: starting for 0 s; last said: nothing yet" in said
