"""A registry with one small image in it, for pulling from.

https://distribution.github.io/distribution/spec/api/
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass(frozen=True)
class Registry:
    """Where it listens, and the digest of its one image, ``acme/tiny:1``."""

    address: str
    digest: str


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tiny_image() -> tuple[bytes, dict[str, bytes]]:
    """The manifest of an image with one file, and its blobs by digest."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("hello")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"hello"))
    layer = gzip.compress(buffer.getvalue(), mtime=0)
    diff = digest(buffer.getvalue())
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff]},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": digest(config)},
        "layers": [{"mediaType": LAYER, "size": len(layer), "digest": digest(layer)}],
    }
    return json.dumps(manifest).encode(), {digest(config): config, digest(layer): layer}


def answers() -> tuple[str, dict[str, tuple[bytes, str]]]:
    """The image's digest, and what the registry has: body and kind, by path."""
    manifest, blobs = tiny_image()
    known = {
        f"/v2/acme/tiny/blobs/{name}": (blob, "application/octet-stream")
        for name, blob in blobs.items()
    }
    for reference in ("1", digest(manifest)):
        known[f"/v2/acme/tiny/manifests/{reference}"] = (manifest, MANIFEST)
    return digest(manifest), known | {"/v2/": (b"{}", "application/json")}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    known: Mapping[str, tuple[bytes, str]] = {}

    def do_GET(self) -> None:
        if self.path in self.known:
            self.answer(200, *self.known[self.path])
            return
        code = "MANIFEST_UNKNOWN" if "/manifests/" in self.path else "NAME_UNKNOWN"
        error = {"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}
        self.answer(404, json.dumps(error).encode(), "application/json")

    def do_HEAD(self) -> None:
        self.do_GET()

    def answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", digest(body))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serve() -> Iterator[Registry]:
    """Run the registry on a free port of the loopback, which Docker trusts without TLS."""
    content, Handler.known = answers()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Registry(f"127.0.0.1:{server.server_port}", content)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
