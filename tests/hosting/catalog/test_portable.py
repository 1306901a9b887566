"""The plain Compose files of an app, read by Compose itself."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from hosting.catalog.credentials import generate, generated_secrets
from hosting.catalog.loader import BUILT_IN, load_app
from hosting.catalog.portable import Origin, compose_files, local_port
from hosting.catalog.schema import App

SETTINGS = {
    "AUTOMATOS_BACKEND_IMAGE": "registry.example.com/api:1",
    "AUTOMATOS_FRONTEND_IMAGE": "registry.example.com/web:1",
}


def origin(app: App) -> Origin:
    return Origin(
        app=app,
        version=app.newest_version,
        name=f"{app.slug}-book",
        instance="7",
        timezone="Europe/Berlin",
        secrets={name: generate(spec) for name, spec in generated_secrets(app).items()},
        settings=SETTINGS,
        images={"postgres:15": "postgres@sha256:0815"},
    )


def read_by_compose(directory: Path, files: Mapping[str, str], **environment: str) -> Any:
    """What docker-compose makes of the files, in an environment of its own."""
    (directory / "secrets").mkdir()
    for path, text in files.items():
        (directory / path).write_text(text)
    done = subprocess.run(
        ["docker-compose", "--file", "compose.yaml", "config"],
        cwd=directory,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(directory), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


@pytest.mark.parametrize("path", sorted(BUILT_IN.glob("*.yaml")), ids=lambda path: path.stem)
def test_compose_reads_every_app(path: Path, tmp_path: Path) -> None:
    app = load_app(path)
    files = compose_files(origin(app))
    read = read_by_compose(tmp_path, files)

    assert set(read["services"]) == set(app.services)
    assert set(read.get("volumes", {})) == set(app.volumes)
    assert {f"secrets/{each}" for each in read["secrets"]} <= set(files)
    web, port = read["services"][app.berth.web.service], app.berth.web.port
    assert web["ports"] == [f"127.0.0.1:{local_port(app)}:{port}/tcp"]
    assert not any("mem_limit" in each or "cpus" in each for each in read["services"].values())
    assert "x-berth" not in files["compose.yaml"]
    assert "BERTH_" not in files["compose.yaml"]


def test_what_depends_on_the_place_is_a_variable(guestbook: App, tmp_path: Path) -> None:
    place = {
        "APP_BIND": "0.0.0.0",
        "APP_PORT": "80",
        "APP_URL": "https://book.example.com",
        "IMAGE_PREFIX": "mirror.example.com/hub",
    }
    read = read_by_compose(tmp_path, compose_files(origin(guestbook)), **place)
    web = read["services"]["web"]
    assert web["ports"] == ["0.0.0.0:80:8000/tcp"]
    assert web["environment"]["PUBLIC_URL"] == "https://book.example.com"
    assert web["image"] == "mirror.example.com/hub/guestbook:2"


def test_it_says_what_ran_and_for_whom(guestbook: App) -> None:
    files = compose_files(origin(guestbook))
    assert files["compose.yaml"].startswith("# Guestbook 2, to be run with Docker Compose.")
    assert "#   postgres:15 was postgres@sha256:0815\n" in files["compose.yaml"]
    assert "COMPOSE_PROJECT_NAME=guestbook-book\n" in files[".env"]
    assert files["secrets/redis_conf"].startswith("requirepass ")


def test_a_port_that_only_root_may_have_is_another(small: str, catalog_file: Any) -> None:
    assert local_port(load_app(catalog_file(small))) == 8080
