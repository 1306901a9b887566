"""What the demonstration runs in: ports, images, and the environment of its processes."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import docker
from docker.errors import DockerException

BUILT_PREFIX = "berth.local"  # what images/build calls its images, unless told otherwise
_ASKED_FOR = "postgres:15"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stays the same from one run to the next; kept in a file only its owner can read."""

    owner: str
    web_port: int
    edge_port: int
    staff_password: str
    member_password: str
    app_password: str

    def environment(self, image_prefix: str) -> dict[str, str]:
        """The variables that every process of the demonstration gets."""
        return {
            **os.environ,
            "BERTH_OWNER": self.owner,
            "BERTH_URL": f"http://localhost:{self.web_port}",
            "BERTH_ALLOWED_HOSTS": "localhost,127.0.0.1",
            "BERTH_DOMAIN": "localhost",
            "BERTH_EDGE_PORT": str(self.edge_port),
            "BERTH_IMAGE_PREFIX": image_prefix,
        }


def recall(directory: Path) -> Surroundings:
    """The surroundings of the last run here, or new ones."""
    file = directory / "demo.json"
    if file.exists():
        return Surroundings(**json.loads(file.read_text()))
    place = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:6]
    fresh = Surroundings(
        owner=f"demo-{place}",
        web_port=free_port(8000),
        edge_port=free_port(8080),
        staff_password=secrets.token_urlsafe(12),
        member_password=secrets.token_urlsafe(12),
        app_password=f"{secrets.token_urlsafe(12)}aA1",  # n8n wants a capital and a digit
    )
    directory.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps(asdict(fresh)))
    return fresh


def free_port(wanted: int) -> int:
    """The wanted port, or the next one that nobody listens on."""
    for port in range(wanted, wanted + 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"No port from {wanted} to {wanted + 199} is free.")


def choose_images(base: Path) -> tuple[str, str]:
    """Where images come from, as the prefix and a sentence that says so; builds them if need be."""
    configured = os.environ.get("BERTH_IMAGE_PREFIX")
    if configured:
        build_images(base, configured)
        return configured, f"Images: {configured}, as BERTH_IMAGE_PREFIX says."
    if _registry_answers():
        return "", "Images: from the public registry, pinned by digest."
    build_images(base, BUILT_PREFIX)
    return BUILT_PREFIX, f"Images: built here as {BUILT_PREFIX}, for the registry can't be reached."


def build_images(base: Path, prefix: str) -> None:
    """Build what is missing; seconds where nothing is."""
    subprocess.run(
        [str(base / "images" / "build")],
        check=True,
        env={**os.environ, "BERTH_IMAGE_PREFIX": prefix},
    )


def _registry_answers() -> bool:
    """Whether the engine can look up an image in its registry."""
    try:
        client = docker.APIClient(version="auto", timeout=15)
        client.inspect_distribution(_ASKED_FOR)  # type: ignore[no-untyped-call]
    except DockerException:
        return False
    return True
