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
def endpoint(answer: bytes, tls: ssl.SSLContext | None = None, path: str | None = None, status: int = 404) -> Any:
    """Answer every POST with the same stream; yields the base URL. path: the only one there is; status: of others."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200 if path in (None, self.path) else status)
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


CHAT = "/v1/chat/completions"
DELTA = b'data: {"choices": [{"index": 0, "delta": {"%s": " a"}, "finish_reason": null}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize("answer", [COUNTED, DELTA % b"content", DELTA % b"reasoning_content", DELTA % b"reasoning"])
def test_an_endpoint_that_only_chats_is_asked_to_chat(answer: bytes) -> None:
    """The first request was a completion whatever the workloads ask for: such an endpoint was "not ready"."""
    with endpoint(answer, path=CHAT) as url:
        first_answers(url, "m", 1, endpoint="chat")


def test_an_endpoint_without_the_kind_that_is_asked_for_says_which_key() -> None:
    with endpoint(COUNTED, path=CHAT) as url, pytest.raises(ServerNotReady) as raised:
        first_answers(url, "m", 1)
    assert "/v1/completions did not answer a first request: status 404" in str(raised.value)
    assert "only the other kind of endpoint, set workloads.NAME.endpoint to that" in str(raised.value)


@pytest.mark.parametrize("status", [400, 422])
def test_an_endpoint_that_refuses_the_fields_of_a_fixed_length_is_told_at_once(status: int) -> None:
    """The first request had none of them, so that a load of refused requests was needed to find out."""
    refusal = b'{"error": {"message": "Unrecognized request argument supplied: ignore_eos"}}'
    with endpoint(refusal, path="/none", status=status) as url, pytest.raises(ServerNotReady) as raised:
        first_answers(url, "m", 1, endpoint="chat")
    assert f"status {status}" in str(raised.value)
    assert "Unrecognized request argument supplied: ignore_eos" in str(raised.value)
    assert "it has to take min_tokens and ignore_eos, or to pass over them" in str(raised.value)
