"""Catalog files to read, and the values that an instance adds to them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from hosting.catalog.builder import StackContext
from hosting.catalog.loader import load_app
from hosting.catalog.schema import App

TESTS = Path(__file__).parents[2]
GUESTBOOK_SECRETS = {
    "postgres_password": "pg-secret",
    "redis_password": "redis-secret",
    "secret_key": "key-secret",
}


@pytest.fixture
def operator_catalog() -> Path:
    """A catalog directory of an operator's own."""
    return TESTS / "catalog"


@pytest.fixture
def guestbook(operator_catalog: Path) -> App:
    return load_app(operator_catalog / "guestbook.yaml")


@pytest.fixture
def context() -> StackContext:
    return StackContext(
        instance="7",
        project="berth-7",
        owner="acme-hosting",
        cpus=Decimal(1),
        memory_bytes=1_000_000_000,
        pids=200,
        subnet="10.83.0.32/27",
        hostname="guestbook.acme.localhost",
        public_url="http://guestbook.acme.localhost:8080",
        secrets=GUESTBOOK_SECRETS,
        image_prefix="berth.local",
    )


SMALL = """\
services:
  web:
    image: note:${BERTH_VERSION:-1}
    networks: [front]
    healthcheck: {test: [CMD, "true"]}
  db:
    image: postgres:15
    networks: [back]
    secrets: [password]
    volumes: ["data:/data"]
networks:
  front: {}
  back: {internal: true}
volumes:
  data: {}
secrets:
  password: {file: ./secrets/password}
x-berth:
  title: Note
  description: Keeps notes.
  category: Test
  homepage: https://example.com
  icon: note
  versions: [{version: "1"}]
  web: {service: web, port: 80, readiness: /}
  shares: {web: 0.5, db: 0.5}
  minimum: {memory_mb: 64, cpus: 0.1, disk_gb: 1}
  secrets:
    password: {generate: hex, length: 32}
"""


@pytest.fixture
def small() -> str:
    """The text of a small catalog file."""
    return SMALL


@pytest.fixture
def catalog_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a text as note.yaml and gives its path."""

    def write(text: str) -> Path:
        path = tmp_path / "note.yaml"
        path.write_text(text)
        return path

    return write
