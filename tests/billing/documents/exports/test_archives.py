"""Files in a ZIP."""

from __future__ import annotations

import io
import zipfile

import pytest

from billing.documents.exports import archives


def _packed(files: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    archives.pack(out, files)
    return out.getvalue()


def test_it_holds_each_file_by_its_name() -> None:
    with zipfile.ZipFile(io.BytesIO(_packed([("R-1.pdf", b"one"), ("R-2.pdf", b"two")]))) as made:
        assert made.testzip() is None
        assert {name: made.read(name) for name in made.namelist()} == {
            "R-1.pdf": b"one",
            "R-2.pdf": b"two",
        }


def test_the_same_files_make_the_same_bytes() -> None:
    assert _packed([("R-1.pdf", b"one")]) == _packed([("R-1.pdf", b"one")])


@pytest.mark.parametrize("name", ["../R-1.pdf", "a/b", "a\\b", "", ".", ".."])
def test_no_file_leaves_the_folder_that_it_is_unpacked_in(name: str) -> None:
    with pytest.raises(ValueError, match="is no name for a file in an archive"):
        _packed([(name, b"")])


def test_two_files_have_two_names() -> None:
    with pytest.raises(ValueError, match=r"Two files are called R-1\.pdf\."):
        _packed([("R-1.pdf", b"one"), ("R-1.pdf", b"two")])
