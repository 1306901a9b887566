"""Whether a PDF is what PDF/A-3b wants, as far as a document of Berth's could break it.

veraPDF, which knows every rule, is a program in Java and in no package that Berth could depend on.
These are the rules of ISO 19005-3 that a page without scripts, forms and links can get wrong, read
from the finished file by another program than the one that wrote it; the numbers are its clauses.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from lxml import etree
from pypdf import PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import IndirectObject, StreamObject

_ID = "{http://www.aiim.org/pdfa/ns/id/}"
_ACTIVE = ("/AA", "/OpenAction", "/AcroForm", "/JavaScript", "/Requirements")
_FONT_FILES = ("/FontFile", "/FontFile2", "/FontFile3")
_ALLOWED_FILTERS = {"/FlateDecode", "/DCTDecode", "/ASCIIHexDecode", "/ASCII85Decode"}


def faults(content: bytes, *, files: dict[str, bytes]) -> tuple[str, ...]:
    """A sentence for each rule that is broken; ``files`` are those that have to be in it."""
    try:
        reader = PdfReader(io.BytesIO(content), strict=True)
        found = (
            *_file(content, reader),
            *_metadata(reader),
            *_colours(reader),
            *_fonts(reader),
            *_embedded(reader, files),
            *_objects(reader),
        )
    except (PyPdfError, etree.XMLSyntaxError, KeyError, IndexError, AttributeError) as error:
        return (f"The PDF can't be read: {type(error).__name__}: {error}.",)
    return tuple(f"PDF/A-3: {each}" for each in found)


def _file(content: bytes, reader: PdfReader) -> Iterator[str]:
    """6.1.2, 6.1.3."""
    second = content.split(b"\n", 2)[1]
    if content[:7] != b"%PDF-1." or second[:1] != b"%" or sum(each > 127 for each in second) < 4:
        yield "the header is not that of a binary PDF 1.7 (6.1.2)."
    if len(reader.trailer.get("/ID", ())) != 2:
        yield "the file has no identifier (6.1.3)."
    if reader.is_encrypted:
        yield "the file is encrypted (6.1.3)."
    if content.rstrip(b"\r\n")[-5:] != b"%%EOF":
        yield "something follows its end (6.1.3)."


def _metadata(reader: PdfReader) -> Iterator[str]:
    """6.6.2, 6.6.4: what it says it is, and no compression that hides it."""
    metadata = _catalog(reader).get("/Metadata")
    if metadata is None:
        yield "there is no metadata (6.6.2)."
        return
    rdf = etree.fromstring(metadata.get_object().get_data())
    said = {
        name: each.get(_ID + name) or each.findtext(_ID + name)
        for each in rdf.iter("{*}Description")
        for name in ("part", "conformance")
        if each.get(_ID + name) or each.findtext(_ID + name)
    }
    if said != {"part": "3", "conformance": "B"}:
        yield "its metadata does not say that it is PDF/A-3b (6.6.4)."


def _colours(reader: PdfReader) -> Iterator[str]:
    """6.2.3: colours have a profile that says what they are."""
    intents = [each.get_object() for each in _catalog(reader).get("/OutputIntents", ())]
    profiles = [
        each["/DestOutputProfile"].get_object()
        for each in intents
        if each.get("/S") == "/GTS_PDFA1" and "/DestOutputProfile" in each
    ]
    if len(profiles) != 1:
        yield "there is no colour profile for its output, or more than one (6.2.3)."
    elif profiles[0].get_data()[36:40] != b"acsp":
        yield "the colour profile is none of ICC's (6.2.3)."


def _fonts(reader: PdfReader) -> Iterator[str]:
    """6.2.11.4: every font is in the file."""
    for font in _of_type(reader, "/Font"):
        if font.get("/Subtype") in ("/Type0", "/Type3"):
            continue  # its descendant has the program, or it is drawn
        descriptor = font.get("/FontDescriptor", {})
        if not any(name in descriptor for name in _FONT_FILES):
            yield f"the font {str(font.get('/BaseFont'))[1:]} is not embedded (6.2.11.4)."


def _embedded(reader: PdfReader, files: dict[str, bytes]) -> Iterator[str]:
    """6.8: what is embedded is wanted, whole, and belongs to the document in a way it says."""
    associated = [each.get_object() for each in _catalog(reader).get("/AF", ())]
    found = {}
    for each in _of_type(reader, "/Filespec"):
        name = str(each.get("/UF", ""))
        stream = each["/EF"]["/F"].get_object()
        found[name] = stream.get_data()
        if not (name and each.get("/F") and each.get("/AFRelationship")):
            yield f"the file {name} does not say how it belongs to the document (6.8)."
        if not stream.get("/Subtype"):
            yield f"the file {name} does not say what it is (6.8)."
        if each not in associated:
            yield f"the file {name} is embedded and not associated (6.8)."
    if found != files:
        yield "the files in it are not those that belong to it (6.8)."


def _objects(reader: PdfReader) -> Iterator[str]:
    """6.1.7, 6.5, 6.6.1: nothing that runs, lies elsewhere, or only some programs can read."""
    catalog = _catalog(reader)
    names = catalog.get("/Names", {})
    for name in _ACTIVE:
        if name in catalog or name in names or any(name in page for page in reader.pages):
            yield f"it has {name[1:]}, which acts (6.5)."
    for each in _all(reader):
        if not isinstance(each, StreamObject):
            continue
        if "/F" in each and each.get("/Type") != "/Filespec":
            yield "a part of it lies in another file (6.1.7)."
        filters = each.get("/Filter", [])
        used = set(filters if isinstance(filters, list) else [filters])
        if not used <= _ALLOWED_FILTERS:
            yield f"a part of it is packed by {', '.join(sorted(map(str, used)))} (6.1.7)."


def _catalog(reader: PdfReader) -> Any:
    return reader.trailer["/Root"]


def _of_type(reader: PdfReader, kind: str) -> Iterator[Any]:
    return (each for each in _all(reader) if hasattr(each, "get") and each.get("/Type") == kind)


def _all(reader: PdfReader) -> Iterator[Any]:
    """Every object of the file, those that nothing leads to included."""
    numbers = {number for table in reader.xref.values() for number in table} | set(
        reader.xref_objStm
    )
    for number in sorted(numbers - {0}):
        yield IndirectObject(number, 0, reader).get_object()
