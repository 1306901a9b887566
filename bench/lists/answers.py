"""A Docker Engine's answers about one instance, multiplied, and a child process that gives them.

Taken from a real engine that runs the instance: what is multiplied has every label, mount and
network setting that Docker sends along, so the answers have the size they have in earnest.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import docker

from bench.lists.stacks import project
from hosting.engines.labels import LABEL_INSTANCE


@dataclass(frozen=True, slots=True)
class Answers:
    """What an engine said of one instance, as JSON text."""

    pk: uuid.UUID
    owner: str
    containers: str
    networks: str
    volumes: str
    inspected: str
    info: str
    version: str
    ids: tuple[str, ...]

    @classmethod
    def of(cls, endpoint: str, *, pk: uuid.UUID, owner: str) -> Answers:
        """Ask a real engine that runs the instance."""
        api = docker.APIClient(base_url=endpoint, version="auto")
        filters = {"label": [f"{LABEL_INSTANCE}={pk}"]}
        containers = api.containers(all=True, filters=filters)
        networks = api.networks(filters=filters)
        volumes = api.volumes(filters=filters)["Volumes"]
        inspected = {each["Id"]: api.inspect_container(each["Id"]) for each in containers}
        info, version = api.info(), api.version()
        api.close()
        ids = tuple(each["Id"] for each in (*containers, *networks))
        return cls(
            pk=pk,
            owner=owner,
            containers=json.dumps(containers),
            networks=json.dumps(networks),
            volumes=json.dumps(volumes),
            inspected=json.dumps(inspected),
            info=json.dumps(info),
            version=json.dumps(version),
            ids=ids,
        )

    def about(self, pk: uuid.UUID) -> Instance:
        """The same of another instance."""
        lists = (self.containers, self.networks, self.volumes, self.inspected)
        return Instance(*(self.renamed(text, pk) for text in lists))

    def renamed(self, text: str, pk: uuid.UUID) -> Any:
        """JSON about another instance: with its names, its labels, and ids of its own."""
        wanted = {
            str(self.pk): str(pk),
            project(self.pk, self.owner): project(pk, self.owner),
            **{each: hashlib.sha256(f"{each} {pk}".encode()).hexdigest() for each in self.ids},
        }
        pattern = re.compile("|".join(map(re.escape, wanted)))
        return json.loads(pattern.sub(lambda found: wanted[found[0]], text))


@dataclass(frozen=True, slots=True)
class Instance:
    """What an engine would say of one more instance."""

    containers: list[dict[str, Any]]
    networks: list[dict[str, Any]]
    volumes: list[dict[str, Any]]
    inspected: dict[str, dict[str, Any]]


class Multiplied:
    """The answers of a server with all of those instances, ready to be sent."""

    def __init__(self, answers: Answers, pks: Sequence[uuid.UUID]) -> None:
        of = {str(pk): answers.about(pk) for pk in pks}
        self._inspected = {
            one: json.dumps(shown).encode()
            for each in of.values()
            for one, shown in each.inspected.items()
        }
        self._lists = {pk: _lists([each]) for pk, each in of.items()}
        self._whole = _lists(of.values())
        self._plain = {"/info": answers.info.encode(), "/version": answers.version.encode()}

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each list."""
        return {path: len(text) for path, text in self._whole.items()}

    def answer(self, path: str, query: str) -> bytes | None:
        """What the engine would send; None for what it does not have."""
        if path in self._plain:
            return self._plain[path]
        if path.startswith("/containers/") and path.endswith("/json"):
            name = path.split("/")[2]
            if name in self._inspected:
                return self._inspected[name]
        filters = json.loads(parse_qs(query).get("filters", ["{}"])[0])
        label, _, value = filters.get("label", [""])[0].partition("=")
        lists = self._lists.get(value, {}) if label == LABEL_INSTANCE else self._whole
        return lists.get(path)


def _lists(of: Iterable[Instance]) -> dict[str, bytes]:
    every = list(of)
    lists: dict[str, Any] = {
        "/containers/json": [one for each in every for one in each.containers],
        "/networks": [one for each in every for one in each.networks],
        "/volumes": {
            "Volumes": [one for each in every for one in each.volumes],
            "Warnings": None,
        },
    }
    return {path: json.dumps(each, separators=(",", ":")).encode() for path, each in lists.items()}


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@contextmanager
def served(multiplied: Multiplied, socket: Path) -> Iterator[str]:
    """Give the answers at a socket, from a process of its own; the endpoint."""
    child = multiprocessing.get_context("fork").Process(
        target=_serve, args=(multiplied, socket), daemon=True
    )
    child.start()
    try:
        while not socket.exists():
            child.join(0.02)
            if child.exitcode is not None:
                raise SystemExit("The process that gives the answers has ended.")
        yield f"unix://{socket}"
    finally:
        child.terminate()
        child.join()
        socket.unlink(missing_ok=True)


def _serve(multiplied: Multiplied, socket: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = multiplied.answer(re.sub(r"^/v[0-9.]+(?=/)", "", parts.path), parts.query)
            self.send_response(404 if body is None else 200)
            body = body if body is not None else b'{"message": "no such thing"}'
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    _Server(str(socket), Handler).serve_forever()
