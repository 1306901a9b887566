"""The engine's own socket behind mutual TLS, as a remote engine has it."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hosting.engines.docker import TlsFiles
from tests.hosting.engines.docker.relay import ENGINE


@dataclass
class Authority:
    """Issues certificates into a folder."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def __post_init__(self) -> None:
        self._write("ca", self.key, self._signed("ca", self.key, is_authority=True))

    def issue(self, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self._write(name, key, self._signed(name, key, is_authority=False))

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def _signed(
        self, name: str, key: ec.EllipticCurvePrivateKey, *, is_authority: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named("ca"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(here, critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def _write(
        self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> None:
        pem = serialization.Encoding.PEM
        (self.folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
        private = key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / f"{name}.key").write_bytes(private)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _accept(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # shut down
        Thread(target=_serve, args=(connection, context), daemon=True).start()


def _serve(connection: socket.socket, context: ssl.SSLContext) -> None:
    """One thread for both directions: OpenSSL does not like two at one connection."""
    with connection, socket.socket(socket.AF_UNIX) as engine, suppress(OSError):
        engine.connect(ENGINE)
        with context.wrap_socket(connection, server_side=True) as tls:
            listened_to: list[socket.socket] = [tls, engine]
            while engine in listened_to:
                ready = [tls] if tls.pending() else select.select(listened_to, [], [])[0]
                for each in ready:
                    if data := each.recv(65536):
                        (engine if each is tls else tls).sendall(data)
                        continue
                    listened_to.remove(each)
                    if each is tls:  # it has nothing more to say, and listens
                        engine.shutdown(socket.SHUT_WR)
            tls.unwrap()


@contextmanager
def tls_engine(folder: Path) -> Iterator[tuple[str, TlsFiles]]:
    """An endpoint and the files with which it lets one in."""
    authority = Authority(folder)
    for name in ("server", "client"):
        authority.issue(name)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.path("ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(authority.path("server.pem"), authority.path("server.key"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=_accept, args=(listener, context), daemon=True)
        thread.start()
        names = (authority.path(name) for name in ("ca.pem", "client.pem", "client.key"))
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}", TlsFiles(*names)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
