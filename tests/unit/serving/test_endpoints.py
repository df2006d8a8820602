"""Somebody else's endpoint: first answers of servers that write otherwise than vLLM, and handshakes that fail."""

import contextlib
import shutil
import ssl
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from llmdvfs.errors import ServerNotReady
from llmdvfs.serving.instance.health import first_answers

COUNTED = b'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}\n\ndata: [DONE]\n\n'
NEEDS_OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


@contextlib.contextmanager
def endpoint(answer: bytes, tls: ssl.SSLContext | None = None) -> Any:
    """Answer every POST with the same stream; yields the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *said: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *about: None  # type: ignore[method-assign]  # a handshake that fails is the test
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem"


def context(certificate: Path) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return tls


@pytest.mark.parametrize(
    "answer",
    [
        COUNTED,
        COUNTED.replace(b"data: ", b"data:"),  # TGI leaves the space out, and was "not ready"
        b'data: {"choices": [{"index": 0, "text": " a", "finish_reason": null}]}\n\ndata: [DONE]\n\n',  # counts nothing
    ],
    ids=["vLLM", "TGI", "no usage"],
)
def test_a_first_answer_with_a_token_is_one(answer: bytes) -> None:
    with endpoint(answer) as url:
        first_answers(url, "m", 1)


@pytest.mark.parametrize(
    "answer",
    [b"data: [DONE]\n\n", b'data: {"choices": [], "usage": {"completion_tokens": 0}}\n\n', b'data: {"error": "x"}\n\n'],
)
def test_a_first_answer_without_a_token_is_none(answer: bytes) -> None:
    with endpoint(answer) as url, pytest.raises(ServerNotReady, match="did not answer a first request"):
        first_answers(url, "m", 1)


@NEEDS_OPENSSL
def test_a_certificate_that_nobody_knows_is_named_with_what_to_do(certificate: Path) -> None:
    with endpoint(COUNTED, context(certificate)) as url, pytest.raises(ServerNotReady) as raised:
        first_answers(url, "m", 1)
    assert "certificate verify failed" in str(raised.value)
    assert "name a file with the certificate of its authority in SSL_CERT_FILE" in str(raised.value)


@NEEDS_OPENSSL
def test_a_certificate_named_in_ssl_cert_file_is_trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The load generator took it and the first answer did not: it looked at the authorities of a package."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with endpoint(COUNTED, context(certificate)) as url:
        first_answers(url, "m", 1)


def test_https_to_a_server_without_tls_says_so() -> None:
    with (
        endpoint(COUNTED) as url,
        pytest.raises(ServerNotReady, match="does not speak TLS; give base_url with http://"),
    ):
        first_answers(url.replace("http:", "https:"), "m", 1)
