"""The files of volumes on a real engine: what people and accidents do to them meanwhile."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from docker.errors import NotFound

from hosting.engines.drift import Expected, compare
from hosting.engines.errors import GiveUp, TryLater
from hosting.engines.labels import LABEL_OWNER
from hosting.engines.wanted import Mount, Stack, Volume
from tests.hosting.engines import tars
from tests.hosting.engines.doors import DockerBackdoor, cli
from tests.hosting.engines.looking import all_run
from tests.hosting.engines.stacks import IMAGE, Stacks, service
from tests.hosting.engines.tars import SOME

pytestmark = pytest.mark.docker

SECONDS = timedelta(seconds=30)
REDIS = "berth.local/redis:7"  # an image that asks for a volume of its own
READ = """
import pickle, sys, time
from hosting.engines.docker import DockerEngine
stack = pickle.load(sys.stdin.buffer)
reading = DockerEngine.connect().read_volume(stack, stack.volumes[0].name)
print(len(next(reading)), flush=True)
time.sleep(600)
"""


@pytest.fixture
def stack(docker: DockerBackdoor, stacks: Stacks) -> Stack:
    """A service with a volume, and it runs."""
    bare = stacks.make(service("web"))
    rights = ("CHOWN", "DAC_OVERRIDE", "FOWNER")
    web = service(
        "web", user="0", mounts=(Mount(of(bare), "/data"),), capabilities=rights, read_only=True
    )
    stack = replace(bare, services=(replace(web, networks=bare.services[0].networks),))
    stack = replace(stack, services=(replace(stack.services[0], tmpfs=("/tmp",)),))
    docker.engine.apply(stack)
    return stack


def of(stack: Stack) -> str:
    return stack.volumes[0].name


def shell(docker: DockerBackdoor, stack: Stack, script: str) -> str:
    said = docker.engine.run(stack.instance, "web", ("sh", "-c", script), timeout=SECONDS)
    assert said.exit_code == 0, said.output
    return said.output


def holders(docker: DockerBackdoor, stack: Stack) -> list[str]:
    """The containers through which volumes are read."""
    seen = docker.engine.observe(stack.instance).services
    return [each.container_id for each in seen if each.name.startswith("berth-volume")]


FILL = """
cd /data && chmod 2770 . && chown 999:1000 . && mkdir -p many/deep empty && echo one >many/deep/x
ln many/deep/x many/hard && ln -s ../nowhere many/soft && ln -s /etc/passwd absolute
for i in $(seq 300); do echo $i >many/$i; done
mkfifo pipe; chown 1234:4321 many/7; chmod 4711 many/8; touch -d 2001-02-03 many
truncate -s 1M sparse
printf x >"$(printf 'line\\nfeed')"
"""
LOOK = (
    "cd /data && find . | LC_ALL=C sort | xargs -d '\\n' true; "
    "find . -printf '%p %y %m %U %G %s %n %l %TY-%Tm-%Td\\n' | LC_ALL=C sort; "
    "cat many/deep/x many/hard many/123"
)


def test_a_copy_cannot_be_told_apart(docker: DockerBackdoor, stacks: Stacks, stack: Stack) -> None:
    shell(docker, stack, FILL)
    first = b"".join(docker.engine.read_volume(stack, of(stack)))
    assert b"".join(docker.engine.read_volume(stack, of(stack))) == first
    before = shell(docker, stack, LOOK)
    docker.engine.stop(stack)
    assert b"".join(docker.engine.read_volume(stack, of(stack))) == first
    copy = Volume(f"{stack.project}-copy")
    web = replace(stack.services[0], mounts=(Mount(copy.name, "/data"),))
    copied = replace(stack, services=(web,), volumes=(*stack.volumes, copy))
    docker.engine.prepare(copied)
    docker.engine.write_volume(copied, copy.name, [first])
    docker.engine.apply(copied)
    assert shell(docker, copied, LOOK) == before
    assert b"".join(docker.engine.read_volume(copied, copy.name)) == first


def test_a_container_that_never_ran_is_all_it_takes(docker: DockerBackdoor, stacks: Stacks) -> None:
    stack = stacks.make(service("cache", image=REDIS))
    docker.engine.prepare(stack)
    events = docker.engine.events(stack.owner)
    docker.engine.write_volume(stack, of(stack), [SOME])
    reading = docker.engine.read_volume(stack, of(stack))
    next(reading)
    (holder,) = holders(docker, stack)
    listed = docker.api.containers(all=True, filters={"id": holder})
    assert [each["State"] for each in listed] == ["created"]
    assert list(listed[0]["NetworkSettings"]["Networks"]) == ["none"]
    mounted = {each["Name"] for each in listed[0]["Mounts"]}
    assert len(mounted) == 2  # with the one that the image asks for
    reading.close()
    assert holders(docker, stack) == []
    left = {each["Name"] for each in docker.api.volumes()["Volumes"]}
    assert left & mounted == {of(stack)}
    # Nor does anybody hear of it who watches the instance.
    docker.engine.apply(stack)
    assert next(events).service == "cache"


def test_others_can_be_asked_while_a_volume_is_read(docker: DockerBackdoor, stack: Stack) -> None:
    shell(docker, stack, "head -c 20000000 /dev/zero >/data/big")
    reading = docker.engine.read_volume(stack, of(stack))
    next(reading)
    seen = docker.engine.observe(stack.instance)
    assert compare(Expected.of(stack), seen) == ()
    assert compare(Expected.of(stack), docker.engine.observe_all(stack.owner)[stack.instance]) == ()
    assert docker.engine.sample((stack.instance,))[stack.instance].usages
    docker.engine.capacity()
    shell(docker, stack, "true")
    docker.engine.pause(stack.instance, "web")
    docker.engine.resume(stack.instance, "web")
    assert sum(map(len, reading)) > 19_000_000
    assert all_run(docker.engine, stack)


@pytest.mark.parametrize("verb", ["read", "apply", "remove"])
def test_what_a_killed_worker_left_is_removed(
    docker: DockerBackdoor, stack: Stack, verb: str
) -> None:
    shell(docker, stack, "head -c 20000000 /dev/zero >/data/big")
    worker = subprocess.Popen(
        [sys.executable, "-c", READ], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    pickle.dump(stack, worker.stdin)
    worker.stdin.close()
    assert worker.stdout.readline()
    worker.kill()
    worker.wait()
    worker.stdout.close()
    assert len(holders(docker, stack)) == 1
    match verb:
        case "read":
            assert sum(map(len, docker.engine.read_volume(stack, of(stack)))) > 20_000_000
        case "apply":
            docker.engine.apply(stack)
        case "remove":
            docker.engine.remove(stack.instance, with_volumes=True)
            assert docker.engine.observe(stack.instance).is_gone
    assert holders(docker, stack) == []


def test_a_file_that_shrinks_is_noticed(docker: DockerBackdoor, stack: Stack) -> None:
    """Docker then leaves out all that follows, and says nothing."""
    shell(docker, stack, "cd /data; head -c 20000000 /dev/zero >a; echo lost >b")
    reading = docker.engine.read_volume(stack, of(stack))
    next(reading)
    shell(docker, stack, "truncate -s 1000 /data/a")
    with pytest.raises(TryLater, match=f"the volume {of(stack)} changed while it was read"):
        for _ in reading:
            pass


def test_a_file_that_grows_is_read_as_far_as_it_went(docker: DockerBackdoor, stack: Stack) -> None:
    shell(docker, stack, "cd /data; head -c 20000000 /dev/zero >a; echo kept >b")
    reading = docker.engine.read_volume(stack, of(stack))
    began = next(reading)
    shell(docker, stack, "head -c 1000000 /dev/zero >>/data/a; rm -f /data/gone")
    shown = tars.shown([began, *reading])
    assert len(shown["./a"][-1]) == 20_000_000  # type: ignore[arg-type]
    assert shown["./b"][-1] == b"kept\n"


def small(docker: DockerBackdoor, stack: Stack, size: str) -> None:
    """Put a volume of that size in the place of the stack's."""
    docker.engine.remove(stack.instance, with_volumes=True)
    options = ("type=tmpfs", "device=tmpfs", f"o=size={size}")
    labels = {"owner": stack.owner, "instance": stack.instance}
    named = [f"--label=berth.{key}={value}" for key, value in labels.items()]
    cli("volume", "create", *(f"--opt={each}" for each in options), *named, of(stack))


def test_a_full_volume_is_said_to_be_one(docker: DockerBackdoor, stack: Stack) -> None:
    small(docker, stack, "1m")

    def much() -> Iterator[bytes]:
        made = tars.tar(tars.folder("./"), tars.file("./big", bytes(20_000_000)))
        for at in range(0, len(made), 100_000):
            yield made[at : at + 100_000]

    with pytest.raises(TryLater):
        docker.engine.write_volume(stack, of(stack), much())
    assert holders(docker, stack) == []


def test_what_a_file_system_puts_there_itself_counts_for_nothing(
    docker: DockerBackdoor, stack: Stack
) -> None:
    shell(docker, stack, "mkdir -m 700 /data/lost+found")
    docker.engine.write_volume(stack, of(stack), [SOME])
    assert {*tars.shown([SOME]), "./lost+found"} == {
        *tars.shown(docker.engine.read_volume(stack, of(stack)))
    }


def test_a_hostile_tar_stays_in_the_volume(docker: DockerBackdoor, stack: Stack) -> None:
    """A client's backup comes back from a store, and may hold anything."""
    climbing = tars.tar(tars.folder("./"), tars.file("../../outside", b"x"))
    with pytest.raises((GiveUp, TryLater)):
        docker.engine.write_volume(stack, of(stack), [climbing])
    through = tars.tar(tars.folder("./"), tars.link("./out", "/"), tars.file("./out/outside", b"x"))
    with suppress(GiveUp, TryLater):
        docker.engine.write_volume(stack, of(stack), [through])
    assert (
        subprocess.run(
            ["find", "/", "-maxdepth", "2", "-name", "outside"], stdout=subprocess.PIPE, check=False
        ).stdout
        == b""
    )


def test_a_secrets_volume_is_nobody_elses(
    docker: DockerBackdoor, stacks: Stacks, stack: Stack
) -> None:
    name = f"{stack.owner}-secrets"
    labels = {LABEL_OWNER: stack.owner, "berth.secrets-of": "web"}
    docker.api.create_volume(name, labels=labels)
    other = replace(stacks.make(service("web")), volumes=(Volume(name, external=True),))
    with pytest.raises(GiveUp, match=f"the volume {name} was not made by this"):
        docker.engine.prepare(other)


def test_a_strangers_container_in_the_place_of_ours_is_left_alone(
    docker: DockerBackdoor, stack: Stack
) -> None:
    name = f"{stack.project}-berth-volume.{of(stack)}"
    cli("create", f"--name={name}", IMAGE, "true")
    try:
        with pytest.raises(TryLater, match=f"a container named {name} is already on the server"):
            next(docker.engine.read_volume(stack, of(stack)))
        assert docker.api.inspect_container(name)
    finally:
        with suppress(NotFound):
            docker.api.remove_container(name)


def test_what_docker_gives_ends_where_a_tar_ends(docker: DockerBackdoor, stack: Stack) -> None:
    shell(docker, stack, "cd /data; echo 1 >a")
    read = b"".join(docker.engine.read_volume(stack, of(stack)))
    assert read[-1024:] == bytes(1024)
    with tarfile.open(fileobj=io.BytesIO(read)) as opened:
        assert opened.getnames() == [".", "./a"]
