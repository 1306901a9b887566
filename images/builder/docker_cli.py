"""The few Docker commands a build needs, through the command-line client."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any


class BuildError(Exception):
    """An image could not be made; the message is for the person who builds."""


@cache
def environment() -> dict[str, str]:
    """Return the environment for the client; without buildx the classic builder is asked for."""
    found = subprocess.run(
        ["docker", "buildx", "version"], capture_output=True, check=False, timeout=30
    )
    return dict(os.environ) if found.returncode == 0 else {**os.environ, "DOCKER_BUILDKIT": "0"}


def inspect(reference: str) -> dict[str, Any] | None:
    """Return what the engine knows of a local image, or None where there is none."""
    done = subprocess.run(
        ["docker", "image", "inspect", reference],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout)[0]
        return found
    if "no such image" in done.stderr.lower():
        return None
    raise BuildError(f"Docker does not answer: {done.stderr.strip()}")


def pull(reference: str, *, timeout_seconds: float) -> bool:
    """Pull an image; False if the registry refuses, can't be reached or takes too long."""
    try:
        done = subprocess.run(
            ["docker", "pull", "--quiet", reference],
            capture_output=True,
            check=False,
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def tag(source: str, reference: str) -> None:
    """Give a local image one more name."""
    subprocess.run(["docker", "tag", source, reference], check=True, timeout=60)


def import_tree(archive: Path, reference: str, *, changes: list[str]) -> None:
    """Make an image of a root file system's tar archive, with Dockerfile instructions applied."""
    options = [part for change in changes for part in ("--change", change)]
    done = subprocess.run(
        ["docker", "import", *options, str(archive), reference],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        raise BuildError(f"docker import failed: {done.stderr.strip()}")


def build(context: bytes, reference: str, *, args: dict[str, str], labels: dict[str, str]) -> None:
    """Build an image from a context archive; raises BuildError with the end of the output."""
    command = ["docker", "build", "--network", "host", "--force-rm", "--tag", reference]
    for name, value in args.items():
        command += ["--build-arg", f"{name}={value}"]
    for name, value in labels.items():
        command += ["--label", f"{name}={value}"]
    done = subprocess.run(
        [*command, "-"],
        input=context,
        capture_output=True,
        check=False,
        timeout=1800,
        env=environment(),
    )
    if done.returncode:
        output = (done.stdout + done.stderr).decode(errors="replace")
        last = "\n".join(output.splitlines()[-40:])
        raise BuildError(f"docker build of {reference} failed:\n{last}")
