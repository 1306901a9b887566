"""Commands that stream on a real engine: killed, cut off, through TLS, and in little memory."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from hosting.engines.base import Engine
from hosting.engines.docker import DockerEngine
from hosting.engines.docker.client import Client
from hosting.engines.docker.commands import Command
from hosting.engines.docker.wire import Wire
from hosting.engines.errors import CommandFailed, EngineUnavailable, TryLater
from hosting.engines.wanted import Mount, Stack, Volume
from tests.hosting.engines.docker.relay import relayed
from tests.hosting.engines.docker.tls import tls_engine
from tests.hosting.engines.doors import COUNT, SOCKET, DockerBackdoor
from tests.hosting.engines.stacks import Stacks, service

pytestmark = pytest.mark.docker

SILENCE = timedelta(seconds=20)
MOMENT = timedelta(seconds=0.5)
MARK = "7" * 7  # seconds that only these tests sleep
TALK_ON = ("sh", "-c", f"sleep {MARK} & while echo on; do sleep 0.05; done")
PIECE = b"x" * 100_000
MEASURE = """
import pickle, resource, sys
from datetime import timedelta
from itertools import repeat
from hosting.engines.docker import DockerEngine
stack, silence = pickle.load(sys.stdin.buffer), timedelta(seconds=60)
engine = DockerEngine.connect()
engine.observe(stack.instance)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
many = ("head", "-c", "40000000", "/dev/zero")
size = sum(map(len, engine.read(stack.instance, "web", many, silence=silence)))
chunks = repeat(bytes(100_000), 400)
said = engine.feed(stack.instance, "web", ("wc", "-c"), chunks, silence=silence)
engine.write_volume(stack, stack.volumes[0].name, engine.read_volume(stack, stack.volumes[1].name))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(size, said.output.strip(), after - before)
"""


@pytest.fixture
def stack(docker: DockerBackdoor, stacks: Stacks) -> Stack:
    """One service, and it runs."""
    stack = stacks.make(service("web"), volume=False)
    docker.engine.apply(stack)
    return stack


def processes(docker: DockerBackdoor, stack: Stack) -> list[str]:
    """The command lines that run in the container."""
    return [each[-1] for each in docker.api.top(f"{stack.project}-web")["Processes"]]


def leaves_nothing(docker: DockerBackdoor, stack: Stack) -> bool:
    return not [each for each in processes(docker, stack) if MARK in each]


def breaking() -> Iterator[bytes]:
    yield b"x"
    raise KeyError("the source")


def try_kills(engine: Engine, stack: Stack) -> None:
    """All ways in which a command is not waited for."""
    quiet = ("sh", "-c", f"sleep {MARK}; echo late")
    with pytest.raises(TryLater, match=r"sh said nothing for 0\.5 s and was killed"):
        next(engine.read(stack.instance, "web", quiet, silence=MOMENT))
    full = repeat(PIECE, 1000)
    with pytest.raises(TryLater, match=r"sh neither took nor said anything for 0\.5 s and was"):
        engine.feed(stack.instance, "web", quiet, full, silence=MOMENT)
    with closing(engine.read(stack.instance, "web", TALK_ON, silence=SILENCE)) as reading:
        assert next(reading)
    # A reader that takes a broken input for a whole one would write it down.
    believe = ("sh", "-c", f"sleep {MARK} & cat; touch /tmp/believed")
    with pytest.raises(KeyError, match="the source"):
        engine.feed(stack.instance, "web", believe, breaking(), silence=SILENCE)
    look = ("test", "-e", "/tmp/believed")
    assert engine.run(stack.instance, "web", look, timeout=SILENCE).exit_code == 1


def test_one_that_only_complains_lets_its_reader_look_at_the_clock(
    docker: DockerBackdoor, stack: Stack
) -> None:
    complain = ("sh", "-c", "while echo no >&2; do sleep 0.05; done")
    with closing(docker.engine.read(stack.instance, "web", complain, silence=SILENCE)) as chunks:
        assert [next(chunks), next(chunks)] == [b"", b""]


def test_what_is_not_waited_for_is_killed_with_all_it_started(
    docker: DockerBackdoor, stack: Stack
) -> None:
    try_kills(docker.engine, stack)
    assert leaves_nothing(docker, stack)


def test_a_remote_engine_streams_through_tls_and_kills_from_inside(
    docker: DockerBackdoor, stack: Stack, tmp_path: Path
) -> None:
    with tls_engine(tmp_path) as (endpoint, files):
        engine = DockerEngine.connect(endpoint, tls=files)
        many = ("head", "-c", "3000000", "/dev/zero")
        read = b"".join(engine.read(stack.instance, "web", many, silence=SILENCE))
        assert read == bytes(3_000_000)
        # The answer comes after the input has ended: each direction ends by itself.
        late = ("sh", "-c", "wc -c; sleep 0.3; cat; echo late; exit 7")
        said = engine.feed(stack.instance, "web", late, repeat(PIECE, 30), silence=SILENCE)
        assert (said.exit_code, said.output) == (7, "3000000\nlate\n")
        echo = engine.feed(stack.instance, "web", ("cat",), repeat(PIECE, 30), silence=SILENCE)
        assert (echo.exit_code, len(echo.output)) == (0, 3_000_000)
        try_kills(engine, stack)
        engine.close()
    assert leaves_nothing(docker, stack)


def test_an_engine_with_another_certificate_is_not_talked_to(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
    with tls_engine(theirs) as (endpoint, _), tls_engine(ours) as (_, files):
        client = Client(endpoint, tls=files, timeout_seconds=5)
        with pytest.raises(OSError, match="certificate verify failed"):
            Wire.open(client)


def test_more_words_than_anybody_reads_are_cut(docker: DockerBackdoor, stack: Stack) -> None:
    talk = ("sh", "-c", "yes 0123456789 | head -c 200000 >&2; echo the end >&2; exit 5")
    with pytest.raises(CommandFailed, match="ended with exit code 5") as caught:
        next(docker.engine.read(stack.instance, "web", talk, silence=SILENCE))
    assert str(caught.value).endswith('the end"')
    assert len(str(caught.value)) < 6000
    echo = ("sh", "-c", "cat; echo the end >&2")
    said = docker.engine.feed(stack.instance, "web", echo, repeat(PIECE, 120), silence=SILENCE)
    assert said.exit_code == 0
    assert "the end\n" in said.output  # Docker carries the two streams side by side
    assert 3_000_000 < len(said.output) <= 4 * 1024 * 1024


def test_a_command_may_end_before_it_has_read_everything(
    docker: DockerBackdoor, stack: Stack
) -> None:
    taken = iter(repeat(PIECE, 1000))
    command = ("sh", "-c", "head -c 3; exit 4")
    said = docker.engine.feed(stack.instance, "web", command, taken, silence=SILENCE)
    assert (said.exit_code, said.output) == (4, "xxx")
    assert next(taken)  # it was not drained for nothing


def test_a_program_that_does_not_exist_failed(docker: DockerBackdoor, stack: Stack) -> None:
    absent = ("no-such-program",)
    with pytest.raises(CommandFailed) as caught:
        b"".join(docker.engine.read(stack.instance, "web", absent, silence=SILENCE))
    assert caught.value.exit_code in (126, 127)
    said = docker.engine.feed(stack.instance, "web", absent, (), silence=SILENCE)
    assert said.exit_code in (126, 127)


def test_a_killed_command_failed_while_its_container_runs(
    docker: DockerBackdoor, stack: Stack
) -> None:
    suicide = ("sh", "-c", "echo on; kill -9 $$")
    with pytest.raises(CommandFailed) as caught:
        b"".join(docker.engine.read(stack.instance, "web", suicide, silence=SILENCE))
    assert caught.value.exit_code == 137


def test_a_cut_connection_is_no_end(docker: DockerBackdoor, stack: Stack, tmp_path: Path) -> None:
    with relayed(tmp_path) as relay:
        engine = DockerEngine.connect(relay.endpoint)
        reading = engine.read(stack.instance, "web", TALK_ON, silence=SILENCE)
        assert next(reading)
        relay.down()
        with pytest.raises((TryLater, EngineUnavailable)):
            for _ in reading:
                pass

        def cutting() -> Iterator[bytes]:
            yield PIECE
            relay.down()
            yield from repeat(PIECE, 100)

        relay.up()
        with pytest.raises((TryLater, EngineUnavailable)):
            engine.feed(stack.instance, "web", COUNT, cutting(), silence=SILENCE)
        engine.close()


def test_gigabytes_need_no_memory(docker: DockerBackdoor, stacks: Stacks) -> None:
    bare = stacks.make(service("web"))
    big = Volume(f"{bare.project}-big")
    mounted = replace(bare.services[0], mounts=(Mount(big.name, "/big"),), user="0")
    stack = replace(bare, services=(mounted,), volumes=(*bare.volumes, big))
    docker.engine.apply(stack)
    fill = ("sh", "-c", "head -c 40000000 /dev/zero >/big/file")
    assert docker.engine.run(stack.instance, "web", fill, timeout=SILENCE).exit_code == 0
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], input=pickle.dumps(stack), stdout=subprocess.PIPE
    )
    size, fed, kilobytes = done.stdout.split()
    assert (size, fed) == (b"40000000", b"40000000")
    assert int(kilobytes) < 15_000


def test_a_command_is_killed_although_it_has_hardly_begun(
    docker: DockerBackdoor, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine shows no process at first, and a broken input must not look like its end."""
    client = Client(SOCKET, tls=None, timeout_seconds=20)
    inspect, unborn = client.api.exec_inspect, iter(range(5))

    def shown(command: str) -> dict[str, Any]:
        seen: dict[str, Any] = inspect(command)
        return seen | {"Pid": 0, "ExitCode": None} if next(unborn, None) is not None else seen

    monkeypatch.setattr(client.api, "exec_inspect", shown)
    container = docker.container(stack, "web")["Id"]
    command = Command.create(client, container, TALK_ON, has_input=True)
    client.api.exec_start(command.id, detach=True)
    with monkeypatch.context() as alone:
        # Whoever does not wait for the process has to ask for a second command that kills it.
        alone.setattr(client.api, "exec_create", lambda *_: pytest.fail("did not wait"))
        assert command.kill()
    assert next(unborn, None) is None
    assert leaves_nothing(docker, stack)
    client.close()
