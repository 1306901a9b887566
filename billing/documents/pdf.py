"""The PDF: PDF/A-3b, with the Factur-X file in it where EN 16931 can hold the document.

WeasyPrint prints the page and embeds the file itself: factur-x's own embedding would stamp the
moment into it. All that it says of time is the day of issue, so the same document makes the same
bytes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from importlib.resources import files
from typing import Any

from lxml import etree
from weasyprint import HTML, Attachment
from weasyprint.logger import LOGGER
from weasyprint.pdf.metadata import DocumentMetadata
from weasyprint.urls import FatalURLFetchingError, URLFetcher

from billing.documents import einvoices, page, pdfa
from billing.documents.errors import Faulty
from billing.documents.invoice import Document

VARIANT = "pdf/a-3b"
FILE_NAME = "factur-x.xml"
LEVEL = "EN 16931"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_FX = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"


def write(document: Document) -> bytes:
    """The file. Raises ``Faulty`` where anything of it does not hold."""
    if faults := einvoices.own_faults(document):
        raise Faulty(document.number, faults)
    xml = einvoices.factur_x(document) if einvoices.can_be(document) else None
    made = _printed(document, xml)
    _refuse_no_pdf_a(document, made, xml)
    return made


def _printed(document: Document, xml: bytes | None) -> bytes:
    """Printed again without the signs that no font has: PDF/A knows no glyph that is missing."""
    with _missing_signs() as missing:
        made = _print(document, xml)
    return _print(document, xml, without=missing) if missing else made


def _print(document: Document, xml: bytes | None, without: Collection[str] = ()) -> bytes:
    try:
        printed = HTML(string=page.html(document, without=without), url_fetcher=_Nothing()).render()
    except FatalURLFetchingError as error:  # which is no Exception
        raise Faulty(document.number, [str(error)]) from error
    issued_at = datetime.combine(document.issue_date, time.min, UTC)
    printed.metadata.created = printed.metadata.modified = f"{issued_at:%Y-%m-%dT%H:%M:%SZ}"
    if xml is not None:
        printed.metadata = _with_factur_x(printed.metadata)
        printed.metadata.attachments.append(
            Attachment(
                string=xml,
                name=FILE_NAME,
                description="The invoice for machines: Factur-X, EN 16931",
                created=issued_at,
                modified=issued_at,
                relationship="Alternative",
            )
        )
    identity = hashlib.sha256(f"{document.seller.name}\n{document.number}".encode()).digest()[:16]
    made: bytes = printed.write_pdf(
        finisher=_name_once, pdf_variant=VARIANT, pdf_identifier=identity
    )
    return made


def _refuse_no_pdf_a(document: Document, made: bytes, xml: bytes | None) -> None:
    faults = pdfa.faults(made, files={FILE_NAME: xml} if xml is not None else {})
    if faults:
        raise Faulty(document.number, faults)


@contextmanager
def _missing_signs() -> Iterator[set[str]]:
    """The signs of which WeasyPrint says meanwhile that no font has them: it says so in its log."""
    handler = _Missing()
    LOGGER.addHandler(handler)
    try:
        yield handler.signs
    finally:
        LOGGER.removeHandler(handler)


class _Missing(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.signs: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith(".notdef") and isinstance(record.args, tuple):
            self.signs.add(str(record.args[0]))


class _Nothing(URLFetcher):  # type: ignore[misc]  # WeasyPrint is not typed
    """A page has all it needs in itself: nothing is fetched, whatever a text says."""

    def fetch(self, url: str, headers: Any = None) -> Any:
        raise FatalURLFetchingError(f"A page fetches nothing, and this one asked for {url}.")


class _Metadata(DocumentMetadata):  # type: ignore[misc]  # WeasyPrint is not typed
    """WeasyPrint's, with what Factur-X wants said: its properties, and their schema."""

    def generate_rdf_metadata(self, *about: Any) -> bytes:
        rdf = etree.fromstring(super().generate_rdf_metadata(*about))
        rdf.extend(_factur_x_properties())
        return etree.tostring(rdf)


def _with_factur_x(metadata: DocumentMetadata) -> _Metadata:
    mine = _Metadata()
    for name, value in vars(metadata).items():
        setattr(mine, name, value)
    return mine


def _factur_x_properties() -> list[Any]:
    """The descriptions of factur-x's own sample, with our profile."""
    sample = files("facturx") / "xmp" / "Factur-X_extension_schema.xmp"
    rdf = etree.fromstring(sample.read_bytes(), etree.XMLParser(remove_comments=True))
    level = rdf.find(f".//{{{_FX}}}ConformanceLevel")
    if level is None:
        raise LookupError("The sample of factur-x has no conformance level.")
    level.text = LEVEL
    return list(rdf)


def _name_once(_printed: Any, pdf: Any) -> None:
    """WeasyPrint 70 names each attachment of a PDF/A-3 twice among the associated files."""
    if associated := pdf.catalog.get("AF"):
        associated[:] = dict.fromkeys(associated)
