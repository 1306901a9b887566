"""The few Docker commands a build needs, through the command-line client."""

import json
import os
import re
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, Any

DEFAULT_PREFIX = "berth.local"
BUILD_SECONDS = 1800.0
LAST_LINES = 40
# As the classic builder says it, and BuildKit.
STEP = re.compile(r"(?:Step \d+/\d+ : |#\d+ \[[^]]*\d+/\d+\] )(.*)")


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


def build(
    context: bytes,
    reference: str,
    *,
    args: dict[str, str],
    labels: dict[str, str],
    heard: Callable[[str], None],
) -> None:
    """Build an image from a context archive, telling `heard` each step as it begins.

    Raises BuildError with the step that failed and the end of the output.
    """
    command = ["docker", "build", "--network", "host", "--force-rm", "--tag", reference]
    for name, value in args.items():
        command += ["--build-arg", f"{name}={value}"]
    for name, value in labels.items():
        command += ["--label", f"{name}={value}"]
    step, last = "the beginning", deque[str](maxlen=LAST_LINES)
    with tempfile.TemporaryFile() as file, _started([*command, "-"], file, context) as process:
        timer = threading.Timer(BUILD_SECONDS, process.kill)
        timer.start()
        for line in process.stdout or ():
            if found := STEP.match(line):
                step = found[1].strip()
                heard(step)
            last.append(line.rstrip())
        status = process.wait()
        timer.cancel()
    if status:
        why = "stopped after half an hour" if status < 0 else "failed"
        raise BuildError(
            f'{reference} could not be built: docker build {why} at "{step}". Its last lines:\n'
            + "\n".join(f"  {line}" for line in last)
        )


def _started(command: list[str], file: IO[bytes], content: bytes) -> subprocess.Popen[str]:
    file.write(content)
    file.seek(0)
    return subprocess.Popen(
        command,
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment(),
    )
