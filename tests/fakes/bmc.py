"""A management controller on loopback: Redfish over HTTPS with a certificate of its own, and an `ipmitool`."""

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

READING = """
    Instantaneous power reading:                   {power_w} Watts
    Minimum during sampling period:                 56 Watts
    Maximum during sampling period:                392 Watts
    Average power reading over sample period:      211 Watts
    IPMI timestamp:                           Sat Nov 28 07:00:00 2026
    Sampling period:                          00000001 Seconds.
    Power reading state is:                   {state}

"""


def write_ipmitool(folder: Path, text: str, code: int = 0) -> None:
    """Write an `ipmitool` that answers so, into a folder that a test puts on PATH."""
    (folder / "answer.txt").write_text(text)
    tool = folder / "ipmitool"
    tool.write_text(f'#!/bin/sh\n[ "$*" = "dcmi power reading" ] || exit 9\ncat {folder}/answer.txt\nexit {code}\n')
    tool.chmod(0o755)


@dataclass
class Bmc:
    """The controller: path -> resource; it answers 401 to whom it does not know."""

    url: str
    certificate: Path
    resources: dict[str, Any] = field(default_factory=dict)
    user: str = "monitor"
    password: str = "secret"


@contextmanager
def redfish(folder: Path) -> Iterator[Bmc]:
    """Run the controller for a block."""
    certificate, key = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.bmc = bmc = Bmc(f"https://127.0.0.1:{server.server_port}", certificate)  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield bmc
    finally:
        server.shutdown()
        server.server_close()


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        bmc: Bmc = self.server.bmc  # type: ignore[attr-defined]
        known = base64.b64encode(f"{bmc.user}:{bmc.password}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {known}":
            status, body = 401, {}
        else:
            status, body = (200, bmc.resources[self.path]) if self.path in bmc.resources else (404, {})
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *of: object) -> None:
        """Say nothing."""


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bmc")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "bmc.pem", folder / "bmc.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pkcs8, unencrypted = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, unencrypted))
    return certificate, secret
