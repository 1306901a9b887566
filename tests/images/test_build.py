"""images/build on small recipes of its own: what it says, when it fails, what it leaves out."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

IMAGES = Path(__file__).resolve().parents[2] / "images"
BASE = "debian:bookworm-slim"
RECIPE = '[[image]]\nname = "{name}"\ndirectory = "{directory}"\nfrom = "{base}"\n'


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


class Kitchen:
    """A copy of images/ with recipes of its own, and a prefix that nobody else uses."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.prefix = f"berth.test-{uuid4().hex[:8]}"
        shutil.copytree(IMAGES, root, ignore=shutil.ignore_patterns("__pycache__"))
        (root / "images.toml").write_text("")
        assert run(IMAGES / "build", "--only", BASE).returncode == 0
        base = run(IMAGES / "build", "--list").stdout.splitlines()[0]
        run("docker", "tag", base, f"{self.prefix}/{BASE}")

    def add(self, name: str, *lines: str, base: str = BASE, more: str = "") -> None:
        directory = name.replace(":", "-")
        (self.root / directory).mkdir()
        text = "\n".join(["ARG BASE", "FROM ${BASE}", *lines]) + "\n"
        (self.root / directory / "Dockerfile").write_text(text)
        with (self.root / "images.toml").open("a") as file:
            file.write(RECIPE.format(name=name, directory=directory, base=base) + more + "\n")

    def build(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(self.root / "build", *arguments, BERTH_IMAGE_PREFIX=self.prefix)

    def names(self) -> set[str]:
        listed = run("docker", "images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
        return {one.removeprefix(f"{self.prefix}/") for one in listed if self.prefix in one}


@pytest.fixture
def kitchen(tmp_path: Path) -> Iterator[Kitchen]:
    kitchen = Kitchen(tmp_path / "images")
    yield kitchen
    for name in kitchen.names():
        run("docker", "rmi", "--force", f"{kitchen.prefix}/{name}")


@pytest.mark.docker
def test_it_says_what_was_built_and_what_is_unchanged(kitchen: Kitchen) -> None:
    kitchen.add("below:1", "RUN touch /below")
    kitchen.add("above:1", "RUN test -e /below", base="below:1")

    first = kitchen.build()
    assert first.returncode == 0, first.stderr
    # A base comes before what stands on it, though other images are built at the same time.
    said = [" ".join(line.split()[:2]) for line in first.stdout.splitlines()]
    order = ["below:1 begun", "below:1 built", "above:1 begun", "above:1 built"]
    assert said == [f"{kitchen.prefix}/{line}" for line in (f"{BASE} unchanged", *order)]
    assert kitchen.build().stdout.count("unchanged") == 3


@pytest.mark.docker
def test_it_names_the_step_that_failed_and_shows_the_last_lines(kitchen: Kitchen) -> None:
    kitchen.add("broken:1", "RUN for i in $(seq 100); do echo line $i; done; exit 7")
    kitchen.add("never:1", "RUN true", base="broken:1")

    done = kitchen.build()
    assert done.returncode == 1
    first, *rest = done.stderr.splitlines()
    assert first.startswith(f"{kitchen.prefix}/broken:1 could not be built: docker build failed at")
    assert "RUN for i in $(seq 100)" in first
    assert "  line 100" in rest
    assert "  line 1" not in rest
    assert "never:1" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.docker
def test_an_image_on_request_is_built_only_when_it_is_named(kitchen: Kitchen) -> None:
    kitchen.add("app:2", "RUN true")
    kitchen.add("app:1", "RUN true", more="on_request = true\n")

    listed = kitchen.build("--list").stdout.splitlines()
    assert listed[1:] == [f"{kitchen.prefix}/app:2", f"{kitchen.prefix}/app:1 (on request)"]
    for arguments in ([], ["--only", "app"]):
        assert kitchen.build(*arguments).returncode == 0
        assert kitchen.names() == {BASE, "app:2"}
    assert kitchen.build("--only", "app:1").returncode == 0
    assert kitchen.names() == {BASE, "app:2", "app:1"}


@pytest.mark.parametrize(
    ("error", "failing", "runs", "status"),
    [
        ("npm error code ECONNRESET", 2, 3, 0),
        ("npm error code ECONNRESET", 9, 3, 1),
        ("npm error code ERESOLVE", 9, 1, 1),
    ],
)
def test_a_failure_of_the_network_is_tried_three_times(
    tmp_path: Path, error: str, failing: int, runs: int, status: int
) -> None:
    counted = tmp_path / "runs"
    npm = tmp_path / "npm"
    npm.write_text(
        f"#!/bin/sh\necho run >> {counted}\n"
        f'[ "$(wc -l < {counted})" -gt {failing} ] || {{ echo "{error}" >&2; exit 1; }}\n'
    )
    npm.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    script = IMAGES / "shared" / "with-host-config"
    done = run(script, "npm", "install", PATH=path, RETRY_SECONDS="0", HOST_CONFIG="")
    assert (done.returncode, counted.read_text().count("run")) == (status, runs), done.stderr
    assert error in done.stderr
