"""Tars whose entries get other names on the way."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import pytest

from hosting.engines.tar_moving import END, file, folder, moved
from hosting.engines.tar_stream import TarWatch, watched
from tests.hosting.engines import tars

OWNER = (999, 998)


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


@pytest.mark.parametrize("size", [1000, 512, 100_000_000])
def test_everything_is_as_it_was_below_another_directory(size: int) -> None:
    made = moved(_pieces(tars.SOME, size), lambda name: f"./below/{name.removeprefix('./')}")
    before = tars.shown([tars.SOME])
    after = tars.shown([*made, END])
    assert {name.removeprefix("./below/"): each for name, each in after.items()} == {
        name.removeprefix("./").strip("/"): each for name, each in before.items()
    }


def test_several_become_one_whole_tar() -> None:
    def chunks() -> Iterator[bytes]:
        yield folder("./", owner=OWNER, mode=0o700)
        yield from moved([tars.tar(tars.file("a", b"1"), tars.file("b", b"22"))], _all_but_b)
        yield from moved([tars.tar(tars.file("b", b"3"), tars.file("c", b"4"))], _all_but_b)
        yield file("./mark", b"", owner=OWNER)
        yield END

    watch = TarWatch()
    read = list(watched(chunks(), watch, broken=ValueError))
    assert {name: each[-1] for name, each in tars.shown(read).items()} == {
        ".": b"",
        "a": b"1",
        "c": b"4",
        "./mark": b"",
    }
    assert watch.root is not None
    assert (watch.root.uid, watch.root.gid, watch.root.mode) == (*OWNER, 0o700)


def _all_but_b(name: str) -> str | None:
    return None if name == "b" else name


def test_what_the_source_says_at_its_end_comes_out() -> None:
    def broken() -> Iterator[bytes]:
        yield tars.SOME
        raise LookupError("it was not whole")

    with pytest.raises(LookupError):
        list(moved(broken(), str))


@pytest.mark.parametrize("content", [tars.SOME[:700], b"x" * 2000])
def test_what_is_no_whole_tar_is_refused(content: bytes) -> None:
    with pytest.raises(tarfile.TarError):
        list(moved([content], str))


def test_memory_stays_flat() -> None:
    size, seen = 64 * 1024 * 1024, 0

    def big() -> Iterator[bytes]:
        entry = tarfile.TarInfo("big")
        entry.size = size
        yield entry.tobuf()
        for _ in range(64):
            yield bytes(1024 * 1024)
        yield END

    largest = 0
    for chunk in moved(big(), str):
        seen += len(chunk)
        largest = max(largest, len(chunk))
    assert seen == size + 512
    assert largest <= 1024 * 1024
    with tarfile.open(fileobj=io.BytesIO(b"".join(moved([tars.SOME], str)) + END)) as made:
        assert len(made.getmembers()) == 7
