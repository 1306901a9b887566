"""The files of volumes, and volumes of another stack: tried on each engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from hosting.engines.base import Engine
from hosting.engines.drift import Expected, compare
from hosting.engines.errors import EngineUnavailable, GiveUp
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ObjectKind
from hosting.engines.wanted import Mount, Stack, Volume
from tests.hosting.engines import tars
from tests.hosting.engines.doors import Backdoor
from tests.hosting.engines.looking import all_run, changed
from tests.hosting.engines.stacks import ABSENT_IMAGE, Stacks, service
from tests.hosting.engines.tars import SOME

LARGE_BYTES = 3_000_000
LARGE = tars.tar(tars.file("large", b"x" * LARGE_BYTES))


@pytest.fixture
def stack(engine: Engine, stacks: Stacks) -> Stack:
    """A stack with a volume, of which nothing runs."""
    stack = stacks.make(service("web"))
    engine.prepare(stack)
    return stack


def of(stack: Stack) -> str:
    return stack.volumes[0].name


def in_pieces(tar: bytes, size: int = 1000) -> Iterator[bytes]:
    for at in range(0, len(tar), size):
        yield tar[at : at + size]
        yield b""


def borrowing(stacks: Stacks, owner: Stack) -> Stack:
    """Another stack, with the first one's volume mounted."""
    volume = Volume(of(owner), external=True)
    web = service("web", mounts=(Mount(volume.name, "/data"),))
    return replace(stacks.make(web), volumes=(volume,))


def test_volumes_are_measured_by_what_they_hold(
    engine: Engine, stacks: Stacks, stack: Stack
) -> None:
    empty = stacks.make(service("web"))
    engine.prepare(empty)
    engine.write_volume(stack, of(stack), in_pieces(LARGE))
    wanted = (stack.instance, empty.instance, "i-unknown")
    sizes = engine.volume_sizes(wanted, within=timedelta(seconds=30))
    assert sizes[stack.instance] - sizes[empty.instance] >= LARGE_BYTES
    assert sizes[stack.instance] < 2 * LARGE_BYTES
    assert set(sizes) == {stack.instance, empty.instance}


def test_what_is_written_is_read_again(engine: Engine, stacks: Stacks, stack: Stack) -> None:
    engine.write_volume(stack, of(stack), in_pieces(SOME))
    first = b"".join(engine.read_volume(stack, of(stack)))
    assert tars.shown([first]) == tars.shown([SOME])
    # The same bytes again, and once more of a copy: a store that deduplicates sees nothing new.
    assert b"".join(engine.read_volume(stack, of(stack))) == first
    other = stacks.make(service("web"))
    engine.prepare(other)
    engine.write_volume(other, of(other), engine.read_volume(stack, of(stack)))
    assert b"".join(engine.read_volume(other, of(other))) == first
    assert engine.observe(stack.instance).services == ()


def test_a_volume_is_read_while_containers_run(engine: Engine, stack: Stack) -> None:
    stack = changed(stack, "web", mounts=(Mount(of(stack), "/data"),))
    engine.write_volume(stack, of(stack), [SOME])
    engine.apply(stack)
    reading = engine.read_volume(stack, of(stack))
    began = [next(reading)]
    assert compare(Expected.of(stack), engine.observe(stack.instance)) == ()
    assert tars.shown([*began, *reading]) == tars.shown([SOME])
    assert all_run(engine, stack)
    assert len(engine.observe(stack.instance).services) == 1


def test_a_new_volume_reads_as_nothing_but_its_root(engine: Engine, stack: Stack) -> None:
    assert list(tars.shown(engine.read_volume(stack, of(stack)))) == ["."]


def test_only_an_empty_volume_is_written(engine: Engine, stack: Stack) -> None:
    engine.write_volume(stack, of(stack), [SOME])
    with pytest.raises(GiveUp, match=f"the volume {of(stack)} is not empty"):
        engine.write_volume(stack, of(stack), [SOME])
    assert tars.shown(engine.read_volume(stack, of(stack))) == tars.shown([SOME])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (b"", "it ends in the middle"),
        (SOME[:-1024], "it ends in the middle"),
        (SOME[:200_000], "it ends in the middle"),
        (b"no tar at all" * 100, "a header is damaged"),
    ],
)
def test_what_is_no_whole_tar_is_refused(
    engine: Engine, stack: Stack, wrong: bytes, why: str
) -> None:
    with pytest.raises(GiveUp, match=f"this is no whole tar: {why}"):
        engine.write_volume(stack, of(stack), in_pieces(wrong, 50_000))


class Lost(OSError):
    """What a source raises; an engine's own errors are of this kind too."""


def test_what_breaks_off_leaves_a_volume_that_is_made_anew(engine: Engine, stack: Stack) -> None:
    def breaking() -> Iterator[bytes]:
        yield SOME[:300_000]
        raise Lost("the repository is gone")

    with pytest.raises(Lost, match="the repository is gone"):
        engine.write_volume(stack, of(stack), breaking())
    with pytest.raises(GiveUp, match="is not empty"):
        engine.write_volume(stack, of(stack), [SOME])
    engine.remove_object(stack.owner, ObjectKind.VOLUME, of(stack))
    engine.prepare(stack)
    engine.write_volume(stack, of(stack), [SOME])
    assert tars.shown(engine.read_volume(stack, of(stack))) == tars.shown([SOME])


def test_a_volume_that_is_not_there_is_not_made_in_passing(
    backdoor: Backdoor, stack: Stack
) -> None:
    engine, volume = backdoor.engine, of(stack)
    backdoor.remove_volume(stack, volume)
    with pytest.raises(GiveUp, match=f"the volume {volume} is not on the server"):
        next(engine.read_volume(stack, volume))
    with pytest.raises(GiveUp, match=f"the volume {volume} is not on the server"):
        engine.write_volume(stack, volume, [SOME])
    assert engine.observe(stack.instance).volumes == ()
    with pytest.raises(GiveUp, match=f"strange is no volume of the stack {stack.project}"):
        next(engine.read_volume(stack, "strange"))


def test_any_image_of_the_stack_will_do(engine: Engine, stack: Stack) -> None:
    if isinstance(engine, MemoryEngine):
        engine.faults.missing_images.add(ABSENT_IMAGE)
    absent = replace(stack.services[0], name="app", image=ABSENT_IMAGE)
    partly = replace(stack, services=(absent, stack.services[0]))
    assert b"".join(engine.read_volume(partly, of(stack)))
    with pytest.raises(GiveUp, match=f"no image of the stack {stack.project} is on the server"):
        next(engine.read_volume(replace(stack, services=(absent,)), of(stack)))


def test_another_stack_mounts_and_fills_a_volume_and_leaves_it(
    engine: Engine, stacks: Stacks, stack: Stack
) -> None:
    other = borrowing(stacks, stack)
    engine.write_volume(other, of(stack), [SOME])
    engine.apply(other)
    assert all_run(engine, other)
    observed = engine.observe(other.instance)
    assert observed.volumes == ()
    assert compare(Expected.of(other), observed) == ()
    lines: list[str] = []
    engine.apply(other, report=lines.append)
    assert lines == []
    engine.remove(other.instance, with_volumes=True)
    assert engine.observe(other.instance).is_gone
    assert engine.observe(stack.instance).volumes == (of(stack),)
    assert tars.shown(engine.read_volume(stack, of(stack))) == tars.shown([SOME])


def test_an_external_volume_is_never_made(backdoor: Backdoor, stacks: Stacks, stack: Stack) -> None:
    engine, other = backdoor.engine, borrowing(stacks, stack)
    backdoor.remove_volume(stack, of(stack))
    for verb in (engine.prepare, engine.apply):
        with pytest.raises(GiveUp, match=f"the volume {of(stack)} is not on the server"):
            verb(other)
    assert engine.observe(other.instance).is_gone
    assert engine.observe(stack.instance).volumes == ()


def test_an_external_volume_of_somebody_else_is_refused(
    backdoor: Backdoor, stacks: Stacks, stack: Stack
) -> None:
    engine, theirs = backdoor.engine, f"{stacks.owner}-other"
    name = f"{stacks.owner}-theirs"
    backdoor.add_stray(ObjectKind.VOLUME, name, owner=theirs)
    try:
        other = borrowing(stacks, replace(stack, volumes=(Volume(name),)))
        for verb in (engine.prepare, engine.apply):
            with pytest.raises(GiveUp, match=f"the volume {name} was not made by this"):
                verb(other)
        with pytest.raises(GiveUp, match=f"the volume {name} was not made by this"):
            next(engine.read_volume(other, name))
        assert engine.observe(other.instance).is_gone
    finally:
        engine.remove_object(theirs, ObjectKind.VOLUME, name)


def test_no_service_takes_the_name_of_berths_own_containers(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.make(service("berth-volume.data"))
    with pytest.raises(GiveUp, match=r"the name berth-volume\.data is Berth's own"):
        engine.apply(stack)


def test_an_engine_that_is_gone_has_no_volumes(backdoor: Backdoor, stacks: Stacks) -> None:
    engine, stack = backdoor.break_engine(), stacks.make(service("web"))
    with pytest.raises(EngineUnavailable):
        next(engine.read_volume(stack, of(stack)))
    with pytest.raises(EngineUnavailable):
        engine.write_volume(stack, of(stack), [SOME])
