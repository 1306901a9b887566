"""The building machine's own apt, npm, proxy and certificate settings, lent to a build.

The classic builder has no secret mounts, and whatever a Dockerfile copies or declares stays in the
image. So the settings are packed into an archive that is handed out on the loopback interface
while images are built with the host's network; `shared/with-host-config` takes them from there.
"""

import hashlib
import io
import os
import re
import shlex
import socketserver
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Tried first, so that the build argument, and with it Docker's layer cache, stays the same.
USUAL_PORT = 47315
IN_BUILD = "/dev/shm/host-config"  # (the path in the build container, a tmpfs)
DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy")
# Where things are fetched from, and who asks. Paths and habits of the host stay on the host.
NPM_SETTING = re.compile(
    r"^(//.*|(@[^:]+:)?registry|_auth\w*|proxy|https-proxy|noproxy|strict-ssl)\s*="
)


def collect() -> dict[str, bytes]:
    """Return the files of the host's configuration by their path in the archive."""
    files = {"env": "", "npmrc": _npm_settings(), "apt.conf": _apt_settings()}
    files |= _apt_sources()
    lines = [f"export APT_CONFIG={IN_BUILD}/apt.conf"]
    lines += [f"export npm_config_userconfig={IN_BUILD}/npmrc"]
    certificates = _certificates()
    if certificates:
        files["ca.crt"] = certificates
        names = ("NODE_EXTRA_CA_CERTS", "npm_config_cafile", "SSL_CERT_FILE")
        lines += [f"export {name}={IN_BUILD}/ca.crt" for name in names]
    for name in PROXY_VARIABLES:
        value = os.environ.get(name) or os.environ.get(name.upper())
        if value:
            lines.append(f"export {name}={shlex.quote(value)} {name.upper()}={shlex.quote(value)}")
    registry = next(
        (value for name, value in os.environ.items() if name.lower() == "npm_config_registry"), None
    )
    if registry:
        lines.append(f"export npm_config_registry={shlex.quote(registry)}")
    files["env"] = "\n".join(lines) + "\n"
    return {path: text.encode() for path, text in files.items()}


def _npm_settings() -> str:
    lines: list[str] = []
    for path in (Path("/etc/npmrc"), Path("/usr/etc/npmrc"), Path.home() / ".npmrc"):
        if path.is_file():
            lines += [line for line in path.read_text().splitlines() if NPM_SETTING.match(line)]
    return "".join(f"{line}\n" for line in lines)


def _certificates() -> str:
    named = os.environ.get("NODE_EXTRA_CA_CERTS") or os.environ.get("SSL_CERT_FILE")
    path = Path(named or "/etc/ssl/certs/ca-certificates.crt")
    return path.read_text() if path.is_file() else ""


def apt_acquire_lines() -> list[str]:
    """Return the host's `Acquire` settings (proxies, time-outs, checks), none if it has no apt."""
    try:
        dumped = subprocess.run(
            ["apt-config", "dump", "Acquire"],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout
    except FileNotFoundError:
        return []
    # A command that finds the proxy is a program of the host's and isn't in the image.
    return [
        line
        for line in dumped.splitlines()
        if line.startswith("Acquire::") and "Auto-Detect" not in line
    ]


def _apt_settings() -> str:
    lines = [*apt_acquire_lines(), 'APT::Install-Recommends "false";']
    if debian_sources():
        lines.append(f'Dir::Etc::SourceList "{IN_BUILD}/none.list";')
        lines.append(f'Dir::Etc::SourceParts "{IN_BUILD}/sources.list.d";')
        lines.append(f'Dir::Etc::netrc "{IN_BUILD}/netrc";')
    return "\n".join(lines) + "\n"


def _apt_sources() -> dict[str, str]:
    files = {f"sources.list.d/{path.name}": path.read_text() for path in debian_sources()}
    passwords = [Path("/etc/apt/auth.conf"), *sorted(Path("/etc/apt/auth.conf.d").glob("*.conf"))]
    files["netrc"] = "".join(path.read_text() + "\n" for path in passwords if path.is_file())
    return files


def debian_sources() -> list[Path]:
    """Return the host's source lists that serve Debian 12 itself; none on another system.

    Lists of other vendors are left out: an image must not depend on what else a machine uses.
    """
    apt = Path("/etc/apt")
    lists = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    return [path for path in lists if path.suffix in (".list", ".sources") and _is_debian(path)]


def _is_debian(path: Path) -> bool:
    if not path.is_file():
        return False
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
    keys = re.findall(r"signed-by\s*[:=]\s*([^\s\]]+)", text, re.IGNORECASE)
    return "bookworm" in text and all(key == DEBIAN_KEYRING for key in keys)


def pack(files: dict[str, bytes]) -> bytes:
    """Return the files as a gzipped tar archive that everybody in the build may read."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def lent() -> Iterator[str]:
    """Hand the configuration out while the block runs; gives the value of HOST_CONFIG.

    Only who names the archive's own digest gets it: another user of the machine can't know it.
    """
    files = collect()
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
    archive = pack(files)

    class Handler(socketserver.StreamRequestHandler):
        timeout = 10

        def handle(self) -> None:
            if self.rfile.readline(200).strip() == digest.encode():
                self.wfile.write(archive)

    with _listen(Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}/{digest}"
        finally:
            server.shutdown()


def _listen(handler: type[socketserver.BaseRequestHandler]) -> _Server:
    try:
        return _Server(("127.0.0.1", USUAL_PORT), handler)
    except OSError:
        return _Server(("127.0.0.1", 0), handler)
