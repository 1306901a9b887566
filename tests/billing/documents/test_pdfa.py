"""PDFs that are broken in one place each: what PDF/A-3 forbids is found."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NullObject,
    TextStringObject,
)

from billing.documents import einvoices, pdf, pdfa
from tests.billing.documents import samples

MONTH = samples.document()
FILES = {"factur-x.xml": einvoices.factur_x(MONTH)}


@pytest.fixture(scope="module")
def printed() -> bytes:
    return pdf.write(MONTH)


def _changed(printed: bytes, change: Callable[[PdfWriter], None]) -> bytes:
    """Written again by pypdf, changed."""
    writer = PdfWriter(clone_from=io.BytesIO(printed))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _of_type(writer: PdfWriter, kind: str) -> Any:
    return next(
        each
        for each in writer._objects
        if isinstance(each, DictionaryObject) and each.get("/Type") == kind
    )


def _without_profile(writer: PdfWriter) -> None:
    del writer.root_object["/OutputIntents"]


def _with_another_profile(writer: PdfWriter) -> None:
    intent: Any = writer.root_object["/OutputIntents"]
    profile = DecodedStreamObject()
    profile.set_data(b"no profile " * 10)
    intent[0].get_object()[NameObject("/DestOutputProfile")] = writer._add_object(profile)


def _without_metadata(writer: PdfWriter) -> None:
    del writer.root_object["/Metadata"]


def _of_part_2(writer: PdfWriter) -> None:
    stream: Any = writer.root_object["/Metadata"].get_object()
    stream.set_data(stream.get_data().replace(b'part="3"', b'part="2"'))


def _without_a_font(writer: PdfWriter) -> None:
    descriptor = _of_type(writer, "/FontDescriptor")
    for name in ("/FontFile2", "/FontFile3"):
        descriptor.pop(name, None)


def _without_relationship(writer: PdfWriter) -> None:
    del _of_type(writer, "/Filespec")["/AFRelationship"]


def _without_kind(writer: PdfWriter) -> None:
    del _of_type(writer, "/EmbeddedFile")["/Subtype"]


def _not_associated(writer: PdfWriter) -> None:
    writer.root_object[NameObject("/AF")] = ArrayObject()


def _with_another_file(writer: PdfWriter) -> None:
    _of_type(writer, "/EmbeddedFile").set_data(b"<x/>")


def _with_a_script(writer: PdfWriter) -> None:
    names: Any = writer.root_object["/Names"].get_object()
    names[NameObject("/JavaScript")] = DictionaryObject()


def _that_acts(writer: PdfWriter) -> None:
    writer.pages[0][NameObject("/AA")] = NullObject()


def _that_lies_elsewhere(writer: PdfWriter) -> None:
    stream = DecodedStreamObject()
    stream[NameObject("/F")] = TextStringObject("elsewhere.bin")
    writer._add_object(stream)


def _packed_by_lzw(writer: PdfWriter) -> None:
    stream = DecodedStreamObject()
    stream[NameObject("/Filter")] = NameObject("/LZWDecode")
    writer._add_object(stream)


def _encrypted(writer: PdfWriter) -> None:
    writer.encrypt("", algorithm="RC4-128")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_without_profile, "no colour profile for its output, or more than one (6.2.3)"),
        (_with_another_profile, "the colour profile is none of ICC's (6.2.3)"),
        (_without_metadata, "there is no metadata (6.6.2)"),
        (_of_part_2, "does not say that it is PDF/A-3b (6.6.4)"),
        (_without_a_font, "is not embedded (6.2.11.4)"),
        (_without_relationship, "does not say how it belongs to the document (6.8)"),
        (_without_kind, "does not say what it is (6.8)"),
        (_not_associated, "is embedded and not associated (6.8)"),
        (_with_another_file, "are not those that belong to it (6.8)"),
        (_with_a_script, "it has JavaScript, which acts (6.5)"),
        (_that_acts, "it has AA, which acts (6.5)"),
        (_that_lies_elsewhere, "lies in another file (6.1.7)"),
        (_packed_by_lzw, "is packed by /LZWDecode (6.1.7)"),
        (_encrypted, "the file is encrypted (6.1.3)"),
    ],
)
def test_each_fault_is_found(
    printed: bytes, change: Callable[[PdfWriter], None], fault: str
) -> None:
    found = pdfa.faults(_changed(printed, change), files=FILES)

    assert any(fault in each for each in found), found
    assert all(each.startswith("PDF/A-3: ") for each in found)


def test_what_was_printed_has_none(printed: bytes) -> None:
    assert pdfa.faults(printed, files=FILES) == ()


def test_a_file_that_was_not_embedded_is_missed(printed: bytes) -> None:
    assert pdfa.faults(printed, files={**FILES, "more.xml": b"<x/>"}) == (
        "PDF/A-3: the files in it are not those that belong to it (6.8).",
    )


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (lambda content: content.replace(b"%PDF-1.7", b"%PDF-2.0", 1), "binary PDF 1.7 (6.1.2)"),
        (lambda content: content + b"more", "something follows its end (6.1.3)"),
        (lambda content: content[: len(content) // 2], "can't be read"),
        (lambda _: b"", "can't be read"),
        (lambda _: b"%PDF-1.7\n%\xf0\xf1\xf2\xf3\n", "can't be read"),
    ],
    ids=["version", "more", "half", "empty", "head"],
)
def test_a_file_that_is_none_is_said(
    printed: bytes, broken: Callable[[bytes], bytes], fault: str
) -> None:
    assert any(fault in each for each in pdfa.faults(broken(printed), files=FILES))


def test_a_file_without_an_identifier_is_found(printed: bytes) -> None:
    identifier: Any = PdfReader(io.BytesIO(printed)).trailer["/ID"]
    assert len(identifier) == 2
    broken = printed.replace(b"/ID", b"/DI")
    assert "PDF/A-3: the file has no identifier (6.1.3)." in pdfa.faults(broken, files=FILES)
