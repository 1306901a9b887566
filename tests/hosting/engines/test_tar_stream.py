"""Tars that stream by: which are whole, and what is seen of them."""

from __future__ import annotations

import tarfile
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hosting.engines.tar_stream import NoTar, TarWatch, of_root, watched
from tests.hosting.engines import tars
from tests.hosting.engines.tars import SOME, file, folder, tar


def watch(*pieces: bytes) -> TarWatch:
    seen = TarWatch()
    for piece in pieces:
        seen.add(piece)
    return seen


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


@settings(max_examples=50)
@given(st.lists(st.integers(0, 3000), max_size=60))
def test_it_sees_the_same_however_the_pieces_are_cut(sizes: list[int]) -> None:
    seen = watch(*cut(SOME, sizes))
    assert seen.is_whole
    assert not seen.is_empty
    assert seen.root is not None
    assert (seen.root.mode, seen.root.uid, seen.root.gid) == (0o700, 999, 998)


@settings(max_examples=100)
@given(st.integers(0, len(SOME) - 1))
def test_no_beginning_is_whole(size: int) -> None:
    assert not watch(SOME[:size]).is_whole


def test_a_gap_in_the_middle_is_noticed() -> None:
    # Exactly what a file that shrinks leaves: its header promises more than there is.
    assert not watch(tar(file("./a", bytes(5000)))[:2048] + bytes(1024)).is_whole
    with pytest.raises(NoTar, match="a header is damaged"):
        watch(tar(file("./a", b"x" * 5000), file("./b", b"y" * 5000))[512:])


def test_nothing_may_follow_the_end() -> None:
    assert watch(SOME + bytes(10_240)).is_whole
    with pytest.raises(NoTar, match="something follows after its end"):
        watch(SOME + SOME)


@pytest.mark.parametrize(
    ("made", "is_empty"),
    [
        (tar(), True),
        (tar(folder("./")), True),
        (tar(folder(".")), True),
        (tar(folder("./"), folder("./lost+found")), True),
        (tar(folder("./"), folder("./lost+found"), file("./lost+found/#1", b"")), False),
        (tar(folder("./"), folder("./a")), False),
        (tar(file("a", b"")), False),
    ],
)
def test_it_knows_an_empty_one(made: bytes, is_empty: bool) -> None:
    assert watch(made).is_empty is is_empty


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_sizes_and_names_that_fit_into_no_header_are_understood(format: Literal[1, 2]) -> None:
    """The data itself is left out here: only that much of it is expected."""
    size = 9 * 1024**3
    entry = tarfile.TarInfo("./" + "long/" * 60 + "name")
    entry.size, entry.uid = size, 5_000_000
    seen = watch(entry.tobuf(format=format))
    for _ in range(size // (64 * 1024**2)):
        seen.add(bytes(64 * 1024**2))
    assert not seen.is_whole
    seen.add(bytes(1024))
    assert seen.is_whole


def test_kinds_that_nobody_makes_are_refused() -> None:
    sparse = tarfile.TarInfo("./a")
    sparse.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(NoTar, match="an entry of the kind b'S'"):
        watch(sparse.tobuf())


@pytest.mark.parametrize(
    "said", [b"nonsense", b"5 a", b"99 size=1\n", b"3 \n", b"12 size=two\n", b"0 a=b\n"]
)
def test_a_damaged_extension_is_refused(said: bytes) -> None:
    extension = tarfile.TarInfo("./PaxHeaders/a")
    extension.type, extension.size = tarfile.XHDTYPE, len(said)
    made = extension.tobuf() + said.ljust(512, b"\0") + tarfile.TarInfo("./a").tobuf()
    with pytest.raises(NoTar):
        watch(made + bytes(1024))


def test_an_extension_without_end_is_refused() -> None:
    extension = tarfile.TarInfo("./PaxHeaders/a")
    extension.type, extension.size = tarfile.XHDTYPE, 2**30
    with pytest.raises(NoTar, match="too long"):
        watch(extension.tobuf())


def test_what_is_passed_on_is_what_came() -> None:
    pieces = cut(SOME, [700] * 100)
    assert list(watched(pieces, TarWatch(), broken=ValueError)) == pieces
    with pytest.raises(ValueError, match="ends in the middle"):
        list(watched(pieces[:-1], TarWatch(), broken=ValueError))
    with pytest.raises(ValueError, match="a header is damaged"):
        list(watched([b"x" * 512], TarWatch(), broken=ValueError))


def test_the_root_goes_into_a_tar_of_its_own() -> None:
    seen = watch(SOME)
    assert seen.root is not None
    made = of_root(seen.root, "place")
    assert tars.shown([made]) == {
        "place": (tarfile.DIRTYPE, "0o700", 999, 998, tars.MTIME, "", b"")
    }
