"""The engine's two outputs in one stream, however it is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hosting.engines.docker.frames import Frames, Tail

frames = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=10)


@given(frames, st.lists(st.integers(0, 30), max_size=40))
def test_it_takes_apart_what_was_put_together(
    sent: list[tuple[int, bytes]], sizes: list[int]
) -> None:
    stream = b"".join(
        bytes([kind, 0, 0, 0]) + len(said).to_bytes(4, "big") + said for kind, said in sent
    )
    taken, heard = Frames(), {1: b"", 2: b""}
    at = 0
    for size in [*sizes, len(stream)]:
        for kind, piece in taken.add(stream[at : at + size]):
            heard[kind] += piece
        at += size
    assert taken.is_between
    assert heard == {kind: b"".join(said for of, said in sent if of == kind) for kind in (1, 2)}


def test_a_frame_that_is_not_whole_is_missed() -> None:
    frame = bytes([1, 0, 0, 0, 0, 0, 0, 2]) + b"ab"
    for size in range(1, len(frame)):
        taken = Frames()
        list(taken.add(frame[:size]))
        assert not taken.is_between


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_a_tail_is_the_end(pieces: list[bytes]) -> None:
    tail = Tail(16)
    for piece in pieces:
        tail.add(memoryview(piece))
    assert tail.text() == b"".join(pieces)[-16:].decode(errors="replace")
