"""The files in the pretended server's volumes: a tar each, as it would be read."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable

from hosting.engines.errors import GiveUp, TryLater
from hosting.engines.memory.world import Labelled, World
from hosting.engines.observed import ObjectKind
from hosting.engines.refusals import foreign_volume, full_volume, missing_volume, not_owned
from hosting.engines.tar_stream import TarWatch, watched
from hosting.engines.wanted import Stack

PIECE_BYTES = 64 * 1024


def empty() -> bytes:
    """What a new volume reads as."""
    buffer = io.BytesIO()
    root = tarfile.TarInfo("./")
    root.type, root.mode = tarfile.DIRTYPE, 0o755
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(root)
    return buffer.getvalue()


def refuse_missing(world: World, stack: Stack) -> None:
    """Raise ``GiveUp`` where an external volume is missing or is not the same owner's."""
    for volume in stack.volumes:
        if volume.external:
            _held(world, stack, volume.name)


def read(world: World, stack: Stack, volume: str) -> bytes:
    """The tar of the volume's files."""
    _refuse(world, stack, volume)
    return world.files.get(volume, empty())


def write(world: World, stack: Stack, volume: str, chunks: Iterable[bytes]) -> None:
    """Put the files of the tar into an empty volume."""
    _refuse(world, stack, volume)
    if not _watch([read(world, stack, volume)], _changed).is_empty:
        raise full_volume(volume)
    gathered = bytearray()
    try:
        _watch(_kept(chunks, gathered), _no_tar)
    except BaseException:
        if gathered:
            world.files[volume] = _half()
        raise
    world.files[volume] = bytes(gathered)


def _refuse(world: World, stack: Stack, volume: str) -> None:
    if volume not in {each.name for each in stack.volumes}:
        raise foreign_volume(stack, volume)
    _held(world, stack, volume)
    if not any(image not in world.faults.missing_images for image in stack.images):
        raise GiveUp(f"no image of the stack {stack.project} is on the server: pull them first")


def _held(world: World, stack: Stack, volume: str) -> Labelled:
    held = world.volumes.get(volume)
    if held is None:
        raise missing_volume(volume)
    if held.owner != stack.owner:
        raise not_owned(ObjectKind.VOLUME, volume)
    return held


def _kept(chunks: Iterable[bytes], into: bytearray) -> Iterable[bytes]:
    for chunk in chunks:
        into += chunk
        yield chunk


def _watch(chunks: Iterable[bytes], broken: Callable[[str], Exception]) -> TarWatch:
    watch = TarWatch()
    for _ in watched(chunks, watch, broken=broken):
        pass
    return watch


def _half() -> bytes:
    """What is left where writing broke off: a file, so that the volume is not empty."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("./half-written"))
    return buffer.getvalue()


def _changed(why: str) -> TryLater:
    return TryLater(f"the volume is no whole tar: {why}")


def _no_tar(why: str) -> GiveUp:
    return GiveUp(f"this is no whole tar: {why}")
