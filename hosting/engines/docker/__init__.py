"""Stacks on a Docker Engine."""

from hosting.engines.docker.client import TlsFiles
from hosting.engines.docker.engine import DockerEngine

__all__ = ["DockerEngine", "TlsFiles"]
