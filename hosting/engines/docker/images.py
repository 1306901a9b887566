"""Images: are they there, get them, and which content they are."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from docker.auth import get_config_header, resolve_repository_name
from docker.errors import APIError, ImageNotFound
from docker.utils import parse_repository_tag

from hosting.engines.base import Report
from hosting.engines.docker.client import Client
from hosting.engines.docker.errors import meaning, translated
from hosting.engines.errors import EngineError, GiveUp, TryLater

SILENCE_SECONDS = 180  # a layer may take long to unpack, without a word
PROGRESS_EVERY_SECONDS = 1.0

_ABSENT = re.compile(
    r"manifest unknown|manifest for .* not found|not found: manifest|repository .* not found"
    r"|does not exist|no such host|no matching manifest|invalid reference|invalid repository",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(r"unauthorized|access denied|authentication required", re.IGNORECASE)


def split(image: str) -> tuple[str, str]:
    """Repository and what to take of it: a digest if the name has one, else its tag or latest."""
    repository, reference = parse_repository_tag(image)
    if reference and reference.startswith("sha256:"):
        repository, _ = parse_repository_tag(repository)
    return repository, reference or "latest"


def pinned(client: Client, image: str) -> str | None:
    """The name of exactly this content, None where the image is not on the server.

    ``repository@sha256:...`` where the image came from a registry; its own name where it was built
    here, as no other server could fetch it under a digest.
    """
    with translated(f"the image {image}"):
        try:
            inspect: Callable[[str], dict[str, Any]] = client.api.inspect_image
            shown = inspect(_local_name(image))
        except ImageNotFound:
            return None
    repository, _ = split(image)
    for each in shown.get("RepoDigests") or []:
        name, _, content = each.partition("@")
        if name == repository:
            return f"{repository}@{content}"
    return image


def _local_name(image: str) -> str:
    repository, reference = split(image)
    return f"{repository}{'@' if reference.startswith('sha256:') else ':'}{reference}"


def pull(client: Client, image: str, *, built_here: tuple[str, ...], report: Report) -> None:
    """Fetch an image from its registry, reporting how far it is once a second.

    Raises ``GiveUp`` where it does not exist; so for any image that only ever gets built on the
    server (its name starts with one of ``built_here``).
    """
    if image.startswith(built_here):
        raise GiveUp(f"the image {image} does not exist: it has not been built on the server")
    report(f"pulling {image}")
    with translated(f"the image {image}"):
        try:
            _follow(client, image, report)
        except APIError as error:
            text = str(error.explanation or error)
            raise _failure(image, text) or meaning(error, f"the image {image}") from error


def _follow(client: Client, image: str, report: Report) -> None:
    repository, reference = split(image)
    registry, _ = resolve_repository_name(repository)
    auth = get_config_header(client.api, registry)
    response = client.stream(
        "POST",
        "/images/create",
        params={"fromImage": repository, "tag": reference},
        headers=_auth_header(auth),
        silence_seconds=SILENCE_SECONDS,
    )
    progress = Progress(image)
    try:
        for line in filter(None, response.iter_lines()):
            said = json.loads(line)
            if "error" in said:
                problem = str(said["error"])
                raise _failure(image, problem) or TryLater(
                    f"the image {image} could not be pulled: {problem}"
                )
            if told := progress.add(said, time.monotonic()):
                report(told)
    finally:
        response.close()


def _auth_header(auth: bytes | str | None) -> dict[str, str] | None:
    """docker-py gives bytes, whatever its stubs say."""
    if not auth:
        return None
    return {"X-Registry-Auth": auth.decode() if isinstance(auth, bytes) else auth}


def _failure(image: str, problem: str) -> EngineError | None:
    """What the registry's words mean, None where they say nothing special."""
    # A registry hides what it does not show: "denied, or does not exist" may be either.
    if _ABSENT.search(problem):
        return GiveUp(f"the image {image} does not exist: {problem}")
    if _FORBIDDEN.search(problem):
        return GiveUp(f"the registry does not give out the image {image}: {problem}")
    return None


class Progress:
    """Sums up what a pull says about each layer into a line a second."""

    def __init__(self, image: str) -> None:
        self._image = image
        self._layers: dict[str, tuple[int, int]] = {}
        self._next_at = 0.0

    def add(self, said: dict[str, Any], now: float) -> str | None:
        """Take in one message; return a line where it is time for one."""
        detail = said.get("progressDetail") or {}
        if said.get("status") == "Downloading" and detail.get("total"):
            self._layers[said["id"]] = (detail["current"], detail["total"])
        if not self._layers or now < self._next_at:
            return None
        self._next_at = now + PROGRESS_EVERY_SECONDS
        current = sum(each for each, _ in self._layers.values())
        total = sum(each for _, each in self._layers.values())
        return (
            f"pulling {self._image}: {100 * current // total} % "
            f"({current / 1e6:.0f} of {total / 1e6:.0f} MB)"
        )
