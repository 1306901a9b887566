"""Another machine, as far as Berth goes: nothing but Docker, Docker Compose and an archive."""

from __future__ import annotations

import os
import subprocess
import tarfile
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.conftest import IMAGES
from tests.journeys.inside import docker
from tests.journeys.portal import free_port


@dataclass
class Elsewhere:
    """An archive's directory, unpacked, under a project name and a port of its own."""

    directory: Path
    project: str = field(default_factory=lambda: f"elsewhere-{uuid.uuid4().hex[:8]}")
    port: int = field(default_factory=free_port)

    def unpack(self, archive: Path) -> None:
        """With the ordinary tar; the sums are those of the files."""
        subprocess.run(["tar", "-xf", archive, "-C", self.directory], check=True)
        subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=self.folder, check=True)

    @property
    def folder(self) -> Path:
        """The one directory that the archive has."""
        [folder] = [each for each in self.directory.iterdir() if each.is_dir()]
        return folder

    def bring_up(self) -> None:
        """As the README says."""
        done = self._run("sh", "restore.sh")
        assert done.returncode == 0, done.stdout + done.stderr

    def refuses(self) -> str:
        """What the script says where it does not do it."""
        done = self._run("sh", "restore.sh")
        assert done.returncode != 0, done.stdout
        return done.stderr

    def open(self) -> httpx.Client:
        """A browser on this machine."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20, trust_env=False)

    def compose(self, *arguments: str) -> str:
        done = self._run("docker-compose", "--file", "compose.yaml", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def remove(self) -> None:
        """Whatever came of it."""
        if any(self.directory.iterdir()):
            self.compose("down", "--volumes", "--timeout", "1", "--remove-orphans")
        label = f"label=com.docker.compose.project={self.project}"
        for kind in ("container", "volume", "network"):
            found = docker(kind, "ls", "--quiet", "--filter", label).split()
            assert not found, f"a {kind} of {self.project} is left"

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            env={
                **os.environ,
                "COMPOSE_PROJECT_NAME": self.project,
                "APP_PORT": str(self.port),
                "IMAGE_PREFIX": IMAGES,
            },
        )


def save(chunks: Iterable[bytes], path: Path) -> list[str]:
    """The stream as a file; the names in it."""
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
    with tarfile.open(path) as archive:
        return archive.getnames()
