"""The files of a volume as a tar, out of it and into it, through a container that never runs.

Docker reads and writes the files of a container that was only created, its volumes too. So no
program runs beside the instance's own, and nothing of the instance has to run. While it does so
it keeps a lock on that container: whatever else asks about it waits, so the instance's own
containers are not used for it.
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerArchive
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from docker.errors import APIError, NotFound

from hosting.engines.docker.client import Client, Response
from hosting.engines.docker.errors import translated
from hosting.engines.docker.spec import (
    LABEL_SECRETS_OF,
    container_name,
    volume_container_body,
    volume_service,
)
from hosting.engines.errors import GiveUp, TryLater
from hosting.engines.labels import LABEL_INSTANCE, LABEL_OWNER, LABEL_SERVICE
from hosting.engines.observed import ObjectKind
from hosting.engines.refusals import foreign_volume, full_volume, missing_volume, not_owned
from hosting.engines.tar_stream import NoTar, TarWatch, of_root, watched
from hosting.engines.wanted import Stack

PLACE = "berth-volume"  # below the root of the container
PIECE_BYTES = 256 * 1024


def refuse_missing(client: Client, stack: Stack) -> None:
    """Raise ``GiveUp`` where an external volume is missing or is not the same owner's."""
    for volume in stack.volumes:
        if volume.external:
            _refuse_foreign(client, stack, volume.name)


def read(
    client: Client, stack: Stack, volume: str, *, silence: timedelta
) -> Generator[bytes, None, None]:
    """Yield a tar of the volume's files; see ``Engine.read_volume``."""
    what = f"the volume {volume}"
    with _holder(client, stack, volume, read_only=True) as container:
        with translated(what):
            answer = _open(client, container, silence)
        try:
            pieces = _pieces(answer, what)
            yield from watched(pieces, TarWatch(), broken=lambda why: _broken(volume, why))
        finally:
            answer.close()


def write(
    client: Client, stack: Stack, volume: str, chunks: Iterable[bytes], *, silence: timedelta
) -> None:
    """Unpack a tar into the volume; see ``Engine.write_volume``."""
    with _holder(client, stack, volume, read_only=False) as container:
        if not _is_empty(client, container, volume, silence):
            raise full_volume(volume)
        watch = TarWatch()
        body = _Body(
            client,
            watched(chunks, watch, broken=lambda why: GiveUp(f"this is no whole tar: {why}")),
        )
        _put(client, container, f"/{PLACE}", body, volume, silence)
        if watch.root is not None:
            # Docker leaves the directory that it unpacks into as it is.
            root = _Body(client, [of_root(watch.root, PLACE)])
            _put(client, container, "/", root, volume, silence)


def _broken(volume: str, why: str) -> TryLater:
    return TryLater(f"the volume {volume} changed while it was read: {why}")


def _refuse_foreign(client: Client, stack: Stack, volume: str) -> None:
    """Raise ``GiveUp`` where the volume is missing, another owner's, or holds secrets."""
    with translated(f"the volume {volume}"):
        try:
            labels: dict[str, str] = client.api.inspect_volume(volume)["Labels"] or {}
        except NotFound:
            raise missing_volume(volume) from None
    if labels.get(LABEL_OWNER) != stack.owner or LABEL_SECRETS_OF in labels:
        raise not_owned(ObjectKind.VOLUME, volume)


@contextmanager
def _holder(client: Client, stack: Stack, volume: str, *, read_only: bool) -> Iterator[str]:
    """A container that has the volume, and is gone afterwards; its id."""
    if volume not in {each.name for each in stack.volumes}:
        raise foreign_volume(stack, volume)
    # Or else the engine would make the volume with the container.
    _refuse_foreign(client, stack, volume)
    _remove_left_overs(client, stack, volume)
    with translated(f"the volume {volume}"):
        container = _create(client, stack, volume, read_only=read_only)
    try:
        yield container
    finally:
        # What has not been removed the next one removes, or the instance's next change.
        with suppress(TryLater):
            _remove(client.unfenced, container, volume)


def _create(client: Client, stack: Stack, volume: str, *, read_only: bool) -> str:
    """Make it from the first image of the stack that is there: which one does not matter."""
    name = container_name(stack.project, volume_service(volume))
    for image in stack.images:
        body = volume_container_body(stack, image, volume, f"/{PLACE}", read_only=read_only)
        try:
            made: dict[str, Any] = client.call(
                "POST", "/containers/create", params={"name": name}, body=body
            )
            return str(made["Id"])
        except APIError as error:
            if "no such image" not in str(error.explanation).lower():
                raise
    raise GiveUp(f"no image of the stack {stack.project} is on the server: pull them first")


def _remove_left_overs(client: Client, stack: Stack, volume: str) -> None:
    """What a worker that was killed had made."""
    labels = [
        f"{LABEL_INSTANCE}={stack.instance}",
        f"{LABEL_SERVICE}={volume_service(volume)}",
    ]
    with translated("the list of containers"):
        found = client.api.containers(all=True, filters={"label": labels})
    for each in found:
        _remove(client, str(each["Id"]), volume)


def _remove(client: Client, container: str, volume: str) -> None:
    with translated(f"the volume {volume}"), suppress(NotFound):
        # With the unnamed volumes that its image asked for; a named one stays.
        client.api.remove_container(container, v=True, force=True)


def _open(client: Client, container: str, silence: timedelta) -> Response:
    return client.stream(
        "GET",
        f"/containers/{container}/archive",
        params={"path": f"/{PLACE}/."},  # the dot: names begin at the volume's root
        headers={"Accept-Encoding": "identity"},
        silence_seconds=silence.total_seconds(),
    )


def _pieces(answer: Response, what: str) -> Iterator[bytes]:
    with translated(what):
        yield from answer.raw.stream(PIECE_BYTES)


def _is_empty(client: Client, container: str, volume: str, silence: timedelta) -> bool:
    what, watch = f"the volume {volume}", TarWatch()
    with translated(what):
        answer = _open(client, container, silence)
    try:
        for piece in _pieces(answer, what):
            watch.add(piece)
            if not watch.is_empty:
                return False
    except NoTar as error:
        raise _broken(volume, str(error)) from error
    finally:
        answer.close()
    return True


class _Body:
    """The body of a request. It keeps what its source raised, which the sender would wrap."""

    def __init__(self, client: Client, chunks: Iterable[bytes]) -> None:
        self._client = client
        self._chunks = chunks
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in filter(None, self._chunks):  # an empty one would end the body
                self._client.ask_leave()
                yield chunk
        except BaseException as error:
            self.error = error
            raise


def _put(
    client: Client, container: str, place: str, body: _Body, volume: str, silence: timedelta
) -> None:
    try:
        with translated(f"the volume {volume}"):
            client.send(
                f"/containers/{container}/archive",
                params={"path": place, "noOverwriteDirNonDir": "true"},
                chunks=body,
                silence_seconds=silence.total_seconds(),
            )
    except Exception:
        if body.error is not None:
            raise body.error from None
        raise
