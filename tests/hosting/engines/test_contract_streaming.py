"""Commands with long output or input, and pausing: tried on each engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import repeat

import pytest

from hosting.engines.base import Engine
from hosting.engines.errors import CommandFailed, EngineUnavailable, GiveUp, TryLater
from hosting.engines.observed import ContainerState
from hosting.engines.wanted import Stack
from tests.hosting.engines.doors import COUNT, FAIL, MANY, SAY, TALK, Backdoor
from tests.hosting.engines.looking import all_run, states
from tests.hosting.engines.stacks import Stacks, service

SILENCE = timedelta(seconds=20)


@pytest.fixture
def stack(engine: Engine, stacks: Stacks) -> Stack:
    """One service, and it runs."""
    stack = stacks.make(service("web"), volume=False)
    engine.apply(stack)
    return stack


def test_output_comes_in_pieces_and_whole(engine: Engine, stack: Stack) -> None:
    assert b"".join(engine.read(stack.instance, "web", SAY, silence=SILENCE)) == b"hello\n"
    sizes = [len(chunk) for chunk in engine.read(stack.instance, "web", MANY, silence=SILENCE)]
    assert sum(sizes) == 8_000_000
    assert 0 < min(sizes) <= max(sizes) <= 1024 * 1024


def test_a_failure_comes_after_the_last_piece(engine: Engine, stack: Stack) -> None:
    reading = engine.read(stack.instance, "web", FAIL, silence=SILENCE)
    assert next(reading) == b"half"
    with pytest.raises(CommandFailed) as caught:
        next(reading)
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        'the command sh in the service web ended with exit code 3: "it broke / in two"'
    )


def test_an_early_end_is_no_error(engine: Engine, stack: Stack) -> None:
    reading = engine.read(stack.instance, "web", MANY, silence=SILENCE)
    assert next(reading)
    reading.close()
    with pytest.raises(StopIteration):
        next(reading)


def test_input_goes_in_and_ends(engine: Engine, stack: Stack) -> None:
    chunks = (b"", *repeat(b"x" * 100_000, 50), b"", b"end")
    said = engine.feed(stack.instance, "web", COUNT, chunks, silence=SILENCE)
    assert (said.exit_code, said.output.strip()) == (0, "5000003")
    said = engine.feed(stack.instance, "web", COUNT, (), silence=SILENCE)
    assert (said.exit_code, said.output.strip()) == (0, "0")


def test_a_failing_reader_is_told_with_its_words(engine: Engine, stack: Stack) -> None:
    said = engine.feed(stack.instance, "web", FAIL, [b"x"], silence=SILENCE)
    assert said.exit_code == 3
    assert "half" in said.output
    assert "it broke" in said.output


class Lost(OSError):
    """What a source raises; an engine's own errors are of this kind too."""


def test_what_the_source_raises_comes_out(engine: Engine, stack: Stack) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"x"
        raise Lost("the repository is gone")

    with pytest.raises(Lost, match="the repository is gone"):
        engine.feed(stack.instance, "web", COUNT, breaking(), silence=SILENCE)


def test_one_streams_into_another(engine: Engine, stack: Stack) -> None:
    reading = engine.read(stack.instance, "web", MANY, silence=SILENCE)
    said = engine.feed(stack.instance, "web", COUNT, reading, silence=SILENCE)
    assert (said.exit_code, said.output.strip()) == (0, "8000000")


def test_nothing_streams_where_nothing_runs(engine: Engine, stacks: Stacks) -> None:
    stack = stacks.make(service("web"), volume=False)
    with pytest.raises(GiveUp, match="the service web has no container"):
        next(engine.read(stack.instance, "web", SAY, silence=SILENCE))
    with pytest.raises(GiveUp, match="the service web has no container"):
        engine.feed(stack.instance, "web", COUNT, (), silence=SILENCE)
    engine.apply(stack)
    engine.stop(stack)
    with pytest.raises(TryLater, match="the service web is not running"):
        next(engine.read(stack.instance, "web", SAY, silence=SILENCE))
    with pytest.raises(TryLater, match="the service web is not running"):
        engine.feed(stack.instance, "web", COUNT, (), silence=SILENCE)


def test_a_container_that_ends_takes_the_command_with_it_for_now(
    backdoor: Backdoor, stack: Stack
) -> None:
    """It may be back in a moment: that is no failure of the command."""
    reading = backdoor.engine.read(stack.instance, "web", TALK, silence=SILENCE)
    assert next(reading)
    backdoor.stop_container(stack, "web")
    with pytest.raises(TryLater):
        for _ in reading:
            pass


def test_pausing_freezes_and_resuming_goes_on(engine: Engine, stack: Stack) -> None:
    for _ in range(2):
        engine.pause(stack.instance, "web")
        assert states(engine, stack) == {"web": ContainerState.PAUSED}
    assert not engine.is_ready(stack, "web")
    with pytest.raises(TryLater, match="the service web is paused"):
        engine.run(stack.instance, "web", SAY, timeout=SILENCE)
    for _ in range(2):
        engine.resume(stack.instance, "web")
        assert all_run(engine, stack)
    assert engine.run(stack.instance, "web", SAY, timeout=SILENCE).exit_code == 0


def test_apply_lets_a_paused_container_go_on(engine: Engine, stack: Stack) -> None:
    engine.pause(stack.instance, "web")
    lines: list[str] = []
    engine.apply(stack, report=lines.append)
    assert lines == ["resuming web"]
    assert all_run(engine, stack)


def test_only_what_runs_is_paused(engine: Engine, stack: Stack) -> None:
    engine.stop(stack)
    with pytest.raises(TryLater, match="the service web is not running"):
        engine.pause(stack.instance, "web")
    engine.resume(stack.instance, "web")
    assert states(engine, stack) == {"web": ContainerState.EXITED}
    engine.remove(stack.instance, with_volumes=True)
    for verb in (engine.pause, engine.resume):
        with pytest.raises(TryLater, match="the service web has no container on the server"):
            verb(stack.instance, "web")


def test_an_engine_that_is_gone_streams_nothing(backdoor: Backdoor, stacks: Stacks) -> None:
    engine, stack = backdoor.break_engine(), stacks.pair()
    with pytest.raises(EngineUnavailable):
        next(engine.read(stack.instance, "db", SAY, silence=SILENCE))
    with pytest.raises(EngineUnavailable):
        engine.feed(stack.instance, "db", COUNT, (), silence=SILENCE)
    with pytest.raises(EngineUnavailable):
        engine.pause(stack.instance, "db")
    with pytest.raises(EngineUnavailable):
        engine.resume(stack.instance, "db")
